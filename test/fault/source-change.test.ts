/** Edits are seen, whatever stat says; what cannot be served any more is refused, never sent wrong; a bad index costs time only. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nativeFile } from '../../protocol/libc/libc.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { noise } from '../helpers/noise.ts';
import { receive } from '../helpers/received-tree.ts';
import { SourceBench } from '../helpers/source-bench.ts';
import { readTree } from '../helpers/tree.ts';

const { signal } = new AbortController();

let bench: SourceBench;
beforeEach(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
});
afterEach(() => bench[Symbol.asyncDispose]());

function write(path: string, data: string | Buffer): string {
  const full = join(bench.root, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, data);
  return full;
}

/** A snapshot, and how many bytes of files were read for it. */
async function take(source: Source, verify = false): Promise<{ snapshot: Snapshot; read: number }> {
  let read = 0;
  const onProgress = (_files: number, bytes: number): void => void (read = bytes);
  const snapshot = await source.snapshot({ verify, onProgress }, signal);
  return { snapshot, read };
}

async function expectRight(snapshot: Snapshot): Promise<void> {
  const got = await receive(snapshot);
  for (const [path, item] of readTree(bench.root)) expect([path, got.get(path)?.content]).toEqual([path, item.content]);
}

describe('an edit', () => {
  it('in the same second, of the same size, with its mtime put back, is seen every time', async () => {
    const file = write('file', 'version 00');
    const source = await bench.open();
    const { mtimeMs } = statSync(file);
    for (let round = 0; round < 30; round += 1) {
      writeFileSync(file, `version ${String(round).padStart(2, '0')}`);
      utimesSync(file, mtimeMs / 1000, mtimeMs / 1000);
      await expectRight((await take(source)).snapshot);
    }
  });

  it('of a file in a directory that was renamed is seen, and nothing else of it is read', async () => {
    for (let n = 0; n < 5; n += 1) write(`old/deep/${n}`, Buffer.alloc(50_000, n));
    const source = await bench.open();
    for (let left = 1; left > 0; ) left = (await take(source)).read;
    renameSync(join(bench.root, 'old'), join(bench.root, 'new'));
    const moved = await take(source);
    expect(moved.read).toBe(0);
    await expectRight(moved.snapshot);
    const { mtime } = statSync(join(bench.root, 'new/deep/3'));
    renameSync(join(bench.root, 'new'), join(bench.root, 'newer'));
    write('newer/deep/3', Buffer.alloc(50_000, 9));
    utimesSync(join(bench.root, 'newer/deep/3'), mtime, mtime);
    const edited = await take(source);
    expect(edited.read).toBe(50_000);
    await expectRight(edited.snapshot);
    renameSync(join(bench.root, 'newer'), join(bench.root, 'newest'));
    expect((await take(source, true)).read).toBe(250_000);
  });

  it('by rename over the file is seen', async () => {
    const file = write('file', 'before');
    const source = await bench.open();
    await take(source);
    const { mtime } = statSync(file);
    writeFileSync(join(bench.root, 'new'), 'after!');
    utimesSync(join(bench.root, 'new'), mtime, mtime);
    renameSync(join(bench.root, 'new'), file);
    await expectRight((await take(source)).snapshot);
  });

  it('of one file reads that file alone', async () => {
    for (let at = 0; at < 50; at += 1) write(`d${at % 5}/f${at}`, noise(at + 1, 10_000));
    const source = await bench.open();
    expect((await take(source)).read).toBe(500_000);
    expect((await take(source)).read).toBe(0);
    write('d1/f1', noise(99, 12_345));
    const { snapshot, read } = await take(source);
    expect(read).toBe(12_345);
    await expectRight(snapshot);
    expect((await take(source, true)).read).toBe(500_000 + 2_345);
  });
});

describe('a file that changed after the scan', () => {
  const changes: readonly (readonly [string, (file: string) => void])[] = [
    ['is overwritten', (file) => writeFileSync(file, noise(2, 100_000))],
    ['is cut', (file) => truncateSync(file, 10)],
    ['is gone', (file) => rmSync(file)],
    [
      'is a symlink to its like',
      (file) => (copyFileSync(file, `${file}2`), rmSync(file), symlinkSync(`${file}2`, file)),
    ],
    ['is a directory', (file) => (rmSync(file), mkdirSync(file))],
    ['is a FIFO', (file) => (rmSync(file), spawnSync('mkfifo', [file]))],
  ];
  it.each(changes)('and %s is not sent, and right the next time', async (_, change) => {
    write('other', noise(3, 3_000_000));
    const file = write('file', noise(1, 100_000));
    const source = await bench.open();
    const { snapshot } = await take(source);
    change(file);
    await expect(receive(snapshot, 'near')).rejects.toMatchObject({ code: 'source-changed', retryable: true });
    await receive((await take(source)).snapshot);
  });
});

describe('the index', () => {
  const indexFile = (): string => join(bench.top, 'state', 'index');

  async function firstScan(): Promise<Snapshot> {
    for (let at = 0; at < 40; at += 1) write(`d${at % 4}/f${at}`, noise(at + 1, 5_000));
    symlinkSync('d0', join(bench.root, 'link'));
    await using source = await bench.open();
    return (await take(source)).snapshot;
  }

  it('spares a new process the reading', async () => {
    const before = await firstScan();
    const { snapshot, read } = await take(await bench.open());
    expect([read, snapshot.digest, snapshot.warnings]).toEqual([0, before.digest, []]);
    await expectRight(snapshot);
  });

  it('has what later scans added', async () => {
    await firstScan();
    const source = await bench.open();
    await take(source);
    for (let round = 0; round < 3; round += 1) {
      write('d1/f1', noise(100 + round, 6_000));
      await take(source);
    }
    rmSync(join(bench.root, 'd2'), { recursive: true });
    const { snapshot } = await take(source);
    await source.close();
    const again = await take(await bench.open());
    expect([again.read, again.snapshot.digest]).toEqual([0, snapshot.digest]);
  });

  it('that lost its tail is used as far as it goes', async () => {
    await firstScan();
    truncateSync(indexFile(), statSync(indexFile()).size - 7);
    const { snapshot } = await take(await bench.open());
    expect(snapshot.warnings).toEqual([]);
    await expectRight(snapshot);
  });

  it('with any byte changed is never believed wrongly', async () => {
    const before = await firstScan();
    const sound = readFileSync(indexFile());
    for (let at = 0; at < 24; at += 1) {
      const damaged = Buffer.from(sound);
      const position = Math.floor((sound.length * at) / 24);
      damaged[position] = (damaged[position] ?? 0) ^ 0x10;
      writeFileSync(indexFile(), damaged);
      await using source = await bench.open();
      const { snapshot } = await take(source);
      expect(snapshot.digest).toBe(before.digest);
    }
    const { read } = await take(await bench.open());
    expect(read).toBe(0);
  });

  it('that cannot be read or written is said, and does without', async () => {
    mkdirSync(indexFile(), { recursive: true });
    write('file', 'x');
    const { snapshot } = await take(await bench.open());
    expect(snapshot.warnings.join()).toContain('index');
    await expectRight(snapshot);
  });
});

describe('paths that may not be read', () => {
  it('are problems, and unknown in the manifest; the rest is sent', async () => {
    write('readable', 'x');
    chmodSync(write('secret', 'x'), 0o000);
    chmodSync(write('closed/file', 'x').replace('/file', ''), 0o000);
    chmodSync(write('listed/file', 'x').replace('/file', ''), 0o444);
    const script = join(bench.top, 'child.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('../helpers/print-snapshot.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20.19',
      outfile: script,
      logLevel: 'error',
    });
    const native = nativeFile();
    if (native !== undefined) copyFileSync(native, join(bench.top, 'koffi.node'));
    chmodSync(bench.top, 0o755);
    const state = join(bench.top, 'child-state');
    mkdirSync(state, { mode: 0o777 });
    chmodSync(state, 0o777);
    const argv = [process.execPath, script, bench.root, join(state, 'index')];
    const asUser =
      process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...argv] : argv;
    const { stdout, stderr } = spawnSync(asUser[0] ?? '', asUser.slice(1), { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      kinds: { closed: 'unknown', listed: 'dir', 'listed/file': 'unknown', readable: 'file', secret: 'unknown' },
      problems: [
        ['closed', 'permission-denied'],
        ['listed/file', 'permission-denied'],
        ['secret', 'permission-denied'],
      ],
    });
  });
});
