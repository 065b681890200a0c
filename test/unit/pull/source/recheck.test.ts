import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytesOf } from '../../../../protocol/base/root-path.ts';
import { DirectoryStamps, readStamp } from '../../../../protocol/pull/source/directory-stamp.ts';
import { dirStampWords } from '../../../../protocol/pull/source/listing.ts';
import { RecordStack } from '../../../../protocol/pull/source/record-stack.ts';
import { ScanIndex } from '../../../../protocol/pull/source/scan-index.ts';
import { outlastClockGrain } from '../../../helpers/outlast-clock-grain.ts';
import { SourceBench } from '../../../helpers/source-bench.ts';

const { signal } = new AbortController();

let bench: SourceBench;
beforeEach(async () => {
  bench = await SourceBench.make();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

function put(path: string, text = path): void {
  mkdirSync(join(bench.root, path, '..'), { recursive: true });
  writeFileSync(join(bench.root, path), text);
}

/** Has the tree looked at as a whole by a source that is closed then, as a daemon at rest does before it is killed. */
async function look(): Promise<void> {
  const source = await bench.open();
  await source.snapshot({ verify: false }, signal);
  utimesSync(bench.root, 1, 1);
  outlastClockGrain(bench.root);
  expect(await source.watch()).toBe(true);
  await source.close();
}

/** Files of a snapshot by a source that starts anew, and how often it asked for what. */
async function reopened(): Promise<{ files: string[]; rechecks: number; walks: number }> {
  const tasks = vi.spyOn(bench.pool, 'run');
  tasks.mockClear();
  const source = await bench.open();
  const { manifest } = await source.snapshot({ verify: false }, signal);
  await source.close();
  const asked = (task: string): number => tasks.mock.calls.filter(([name]) => name === task).length;
  const files = [...manifest.directories.values()].flatMap(({ path, entries }) =>
    entries.filter(({ kind }) => kind !== 'dir').map(({ name }) => (path === '' ? name : `${path}/${name}`)),
  );
  return { files: files.sort(), rechecks: asked('recheck'), walks: asked('walk') };
}

describe('a source that starts anew', () => {
  it('lists nothing where nothing changed, and one directory where one did', async () => {
    for (let n = 0; n < 20; n += 1) put(`d${n}/file`);
    await look();
    const files = Array.from({ length: 20 }, (_, n) => `d${n}/file`).sort();
    expect(await reopened()).toEqual({ files, rechecks: expect.any(Number), walks: 0 });
    put('d7/more');
    outlastClockGrain(join(bench.root, 'd7'));
    expect(await reopened()).toEqual({ files: [...files, 'd7/more'].sort(), rechecks: expect.any(Number), walks: 1 });
    // It goes by the same look once more, of which all but one directory holds.
    expect(await reopened()).toMatchObject({ walks: 0 });
  });

  it('finds a directory that is new with all that is below it, and misses one that is gone', async () => {
    put('a/file');
    put('b/c/file');
    await look();
    put('new/below/file');
    rmSync(join(bench.root, 'b'), { recursive: true });
    expect((await reopened()).files).toEqual(['a/file', 'new/below/file']);
  });

  it('goes by rules as they are: one that was written anew in its place', async () => {
    put('d/.gitignore', 'ignored\n');
    put('d/ignored');
    put('d/sent');
    await look();
    put('d/.gitignore', 'sent\n');
    expect((await reopened()).files).toEqual(['d/.gitignore', 'd/ignored']);
  });

  it('goes by rules as they are: new ones that ignore themselves', async () => {
    put('d/one');
    put('d/e/two');
    await look();
    put('d/.gitignore', '.gitignore\ntwo\n');
    expect((await reopened()).files).toEqual(['d/one']);
  });

  it('sees what git tracks come back to a directory that is ignored', async () => {
    const git = (...args: string[]): unknown => execFileSync('git', ['-C', bench.root, ...args]);
    put('.gitignore', 'x/\n');
    git('init', '-q');
    put('x/tracked');
    git('add', '-f', '.');
    rmSync(join(bench.root, 'x/tracked'));
    await look();
    put('x/tracked');
    expect((await reopened()).files).toContain('x/tracked');
  });

  it('sees it come back when the look that is kept was taken before it went', async () => {
    put('.gitignore', 'x/\n');
    put('x/y/tracked');
    execFileSync('git', ['-C', bench.root, 'init', '-q']);
    execFileSync('git', ['-C', bench.root, 'add', '-f', '.']);
    await look();
    rmSync(join(bench.root, 'x/y/tracked'));
    expect((await reopened()).files).not.toContain('x/y/tracked');
    put('x/y/tracked');
    expect((await reopened()).files).toContain('x/y/tracked');
  });

  it.each([
    ['a .towignore that came and went', '.towignore'],
    ['a .gitignore that came and went', 'src/.gitignore'],
  ])('goes by no look from before %s', async (_, file) => {
    put('src/one.dat');
    put('src/two');
    await look();
    const source = await bench.open();
    put(file, '*.dat\n');
    const { manifest } = await source.snapshot({ verify: false }, signal);
    expect(manifest.directories.get('src')?.entries.map(({ name }) => name)).not.toContain('one.dat');
    rmSync(join(bench.root, file));
    const again = await source.snapshot({ verify: false }, signal);
    expect(again.manifest.directories.get('src')?.entries.map(({ name }) => name)).toEqual(['one.dat', 'two']);
    await source.close();
    expect((await reopened()).files).toEqual(['src/one.dat', 'src/two']);
  });

  it('goes by no look that knew nothing of what git tracks', async () => {
    put('.gitignore', '*.log\n');
    put('d/file');
    const git = (...args: string[]): unknown => execFileSync('git', ['-C', bench.root, ...args]);
    git('init', '-q');
    await look();
    put('d/x.log');
    expect((await reopened()).files).not.toContain('d/x.log');
    git('add', '-f', 'd/x.log');
    expect((await reopened()).files).toContain('d/x.log');
  });

  it('sees that what other names of a file lead to is gone', async () => {
    put('a/x');
    put('b/other');
    linkSync(join(bench.root, 'a/x'), join(bench.root, 'b/y'));
    await look();
    renameSync(join(bench.root, 'a'), join(bench.top, 'outside'));
    const source = await bench.open();
    const { manifest } = await source.snapshot({ verify: false }, signal);
    expect(manifest.directories.get('b')?.entries.map(({ name, kind }) => [name, kind])).toEqual([
      ['other', 'file'],
      ['y', 'file'],
    ]);
  });

  it('does not take a part of the tree, in which all is ignored, for all of it', async () => {
    put('.gitignore', '*.egg-info/\n');
    put('src/pkg/file');
    await look();
    put('src/x.egg-info/PKG-INFO');
    expect((await reopened()).files).toEqual(['.gitignore', 'src/pkg/file']);
  });

  it('writes all of its index anew when a part could not be added', async () => {
    put('a/file');
    const path = join(bench.top, 'state', 'index');
    const root = bytesOf(bench.root);
    await look();
    const index = new ScanIndex(path, root);
    const { directories, look: last } = await index.load();
    if (last === undefined) throw new Error('no look was kept');
    const broken = {
      path: 'b',
      get listing(): never {
        throw new Error('no room');
      },
      get directory(): never {
        throw new Error('no room');
      },
    };
    await expect(index.save([broken], directories)).rejects.toThrow('no room');
    rmSync(path);
    await index.save([], directories);
    const again = await new ScanIndex(path, root).load();
    expect([...again.directories.keys()]).toEqual([...directories.keys()]);
    expect(again.look).toEqual(last);
  });

  it('keeps no look by rules that nothing can be told of', async () => {
    put('file');
    symlinkSync('loop', join(bench.root, '.towignore'));
    symlinkSync('.towignore', join(bench.root, 'loop'));
    const source = await bench.open();
    await source.snapshot({ verify: false }, signal);
    outlastClockGrain(bench.root);
    await source.watch();
    await source.close();
    const { look: last } = await new ScanIndex(join(bench.top, 'state', 'index'), bytesOf(bench.root)).load();
    expect(last).toBeUndefined();
  });

  it('looks where its index has lost a directory', async () => {
    put('a/b/file');
    put('c/file');
    await look();
    const path = join(bench.top, 'state', 'index');
    const root = bytesOf(bench.root);
    const { directories, look: last } = await new ScanIndex(path, root).load();
    if (last === undefined) throw new Error('no look was kept');
    rmSync(path);
    const without = new Map([...directories].filter(([at]) => at !== 'a/b'));
    await new ScanIndex(path, root).saveLook(last, without);
    const { files, walks } = await reopened();
    expect(files).toEqual(['a/b/file', 'c/file']);
    expect(walks).toBe(1);
  });

  it('passes over an index of another version without a word', async () => {
    put('file');
    await look();
    const path = join(bench.top, 'state', 'index');
    const payload = Buffer.from(`towline scan index 2\n${bytesOf(bench.root)}`, 'latin1');
    const head = Buffer.alloc(36);
    head.writeUInt32LE(payload.length);
    createHash('sha256').update(payload).digest().copy(head, 4);
    writeFileSync(path, Buffer.concat([head, payload]));
    await using source = await bench.open();
    const { warnings, totals } = await source.snapshot({ verify: false }, signal);
    expect([warnings, totals.files]).toEqual([[], 1]);
  });

  it('goes by no look of another home', async () => {
    put('file');
    await look();
    const tasks = vi.spyOn(bench.pool, 'run');
    const source = await bench.open({ home: join(bench.top, 'elsewhere') });
    await source.snapshot({ verify: false }, signal);
    expect(tasks.mock.calls.map(([task]) => task)).not.toContain('recheck');
  });
});

describe('a stamp of a directory', () => {
  it('proves nothing while it is young, and tells of each name that comes later', () => {
    const top = mkdtempSync(join(tmpdir(), 'towline-stamp-'));
    const records = new RecordStack();
    const stamp = new Uint32Array(dirStampWords);
    writeFileSync(join(top, 'a'), '');
    expect(new DirectoryStamps().take(records, top, stamp)).toBe(false);
    outlastClockGrain(top);
    expect(new DirectoryStamps().take(records, top, stamp)).toBe(true);
    const later = new Uint32Array(dirStampWords);
    expect(readStamp(records, top, later)).toBe(true);
    expect(later).toEqual(stamp);
    writeFileSync(join(top, 'b'), '');
    expect(readStamp(records, top, later)).toBe(true);
    expect(later).not.toEqual(stamp);
    rmSync(top, { recursive: true });
    expect(existsSync(top)).toBe(false);
    expect(readStamp(records, top, later)).toBe(false);
  });
});
