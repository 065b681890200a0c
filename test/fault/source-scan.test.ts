/** A snapshot is the tree on disk, whatever is in it; what cannot be sent is left out and said. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { chunkCount, isHole } from '../../protocol/chunk/entry.ts';
import { noise } from '../helpers/noise.ts';
import { receive } from '../helpers/received-tree.ts';
import { SourceBench } from '../helpers/source-bench.ts';
import { readTree } from '../helpers/tree.ts';

const { signal } = new AbortController();
const plain = { verify: false } as const;

let bench: SourceBench;
beforeEach(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
});
afterEach(() => bench[Symbol.asyncDispose]());

function write(path: string, data: string | Buffer = path): string {
  const full = join(bench.root, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, data);
  return full;
}

/** Compares what a receiver gets with the disk, but for `left`. */
async function expectSame(root = bench.root, left: readonly string[] = []): Promise<void> {
  const source = await bench.open({ root: bytesOf(root) });
  const got = await receive(await source.snapshot(plain, signal), 'near');
  const there = readTree(bytesOf(root));
  for (const path of left) there.delete(path);
  expect([...got.keys()].sort()).toEqual([...there.keys()].sort());
  for (const [path, item] of there) {
    const entry = got.get(path)?.entry;
    if (entry === undefined) throw new Error(`${path} is missing`);
    expect([path, entry.kind === 'hardlink' ? 'file' : entry.kind]).toEqual([path, item.kind]);
    expect([path, BigInt(entry.mtimeSec) * 1_000_000_000n + BigInt(entry.mtimeNsec)]).toEqual([path, item.mtimeNs]);
    expect([path, entry.mode]).toEqual([path, item.mode]);
    if (entry.kind !== 'hardlink') expect([path, got.get(path)?.content ?? '']).toEqual([path, item.content]);
  }
}

describe('a snapshot', () => {
  it('has every kind of path there is, byte for byte', async () => {
    write('empty', '');
    write('small', 'x');
    write('edge', noise(1, 8192));
    write('over', noise(2, 8193));
    write('large', noise(3, 3_000_000));
    write('deep/er/and/deeper/file');
    write('a-b/x');
    write('a/x');
    write('a.txt');
    mkdirSync(join(bench.root, 'nothing in here'));
    for (const [at, mode] of [0o000, 0o111, 0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o7777].entries())
      chmodSync(write(`modes/${at}`), mode);
    symlinkSync('../small', join(bench.root, 'deep/link'));
    symlinkSync('/nowhere/at all', join(bench.root, 'dangling'));
    symlinkSync('.', join(bench.root, 'loop'));
    lutimesSync(join(bench.root, 'dangling'), 1, 1.5);
    utimesSync(write('old'), -1000.25, -1000.25);
    utimesSync(write('far'), 2 ** 33, 2 ** 33);
    writeFileSync(Buffer.concat([Buffer.from(`${bench.root}/`), Buffer.from([0xff, 0x0a, 0x20, 0x80, 0x5c])]), 'bytes');
    write('ünï', 'text');
    await expectSame();
  });

  it('goes over a slow link in long packs, and what does not shrink in shorter ones', async () => {
    write('noise', noise(5, 9_000_000));
    write('text', Buffer.alloc(9_000_000, 'the same again and '));
    const got = await receive(await (await bench.open()).snapshot(plain, signal), 'far');
    for (const [path, item] of readTree(bytesOf(bench.root)))
      if (item.kind === 'file') expect(got.get(path)?.content === item.content, path).toBe(true);
  });

  it('of a tree with several names of a file has its bytes once, under the first in path order', async () => {
    const file = write('m/file', noise(4, 20_000));
    mkdirSync(join(bench.root, 'a'));
    mkdirSync(join(bench.root, 'a-'));
    for (const name of ['z', 'a/link', 'a-/link']) linkSync(file, join(bench.root, name));
    await expectSame();
    const source = await bench.open();
    const got = await receive(await source.snapshot(plain, signal));
    // Byte order of whole paths: `a-/link` is before `a/link`.
    expect(got.get('a-/link')?.entry.kind).toBe('file');
    for (const path of ['a/link', 'm/file', 'z']) expect(got.get(path)?.content).toBe('a-/link');
    rmSync(join(bench.root, 'a-/link'));
    const after = await receive(await source.snapshot(plain, signal));
    expect(after.get('a/link')?.entry.kind).toBe('file');
    for (const path of ['m/file', 'z']) expect(after.get(path)?.content).toBe('a/link');
  });

  it('keeps holes', async () => {
    const fd = openSync(write('sparse', ''), 'r+');
    writeSync(fd, noise(5, 100_000), 0, 100_000, 1 << 20);
    ftruncateSync(fd, 50 << 20);
    closeSync(fd);
    await expectSame();
    const source = await bench.open();
    const { entry } = (await receive(await source.snapshot(plain, signal))).get('sparse') ?? {};
    const holes = Array.from({ length: chunkCount(entry?.content ?? '') }, (_, at) => isHole(entry?.content ?? '', at));
    expect([holes.at(0), holes.at(-1), holes.includes(false)]).toEqual([true, true, true]);
  });

  it('leaves out sockets and FIFOs, and counts them', async () => {
    write('file');
    spawnSync('mkfifo', [join(bench.root, 'fifo')]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(bench.root, 'socket'), resolve));
    try {
      await expectSame(bench.root, ['fifo', 'socket']);
      const source = await bench.open();
      expect((await source.snapshot(plain, signal)).skipped).toBe(2);
    } finally {
      server.close();
    }
  });

  it('of a single file is that file, and so is one of a symlink to it', async () => {
    const file = write('one', noise(6, 50_000));
    await expectSame(file);
    symlinkSync(file, join(bench.top, 'to-file'));
    const source = await bench.open({ root: bytesOf(join(bench.top, 'to-file')) });
    const got = await receive(await source.snapshot(plain, signal));
    expect([...got.keys()]).toEqual(['']);
    expect(got.get('')?.entry).toMatchObject({ kind: 'file', size: 50_000 });
  });

  it('of a symlink to a directory is the directory', async () => {
    write('a/b');
    symlinkSync(bench.root, join(bench.top, 'to-dir'));
    const source = await bench.open({ root: bytesOf(join(bench.top, 'to-dir')) });
    expect([...(await receive(await source.snapshot(plain, signal))).keys()].sort()).toEqual(['', 'a', 'a/b']);
  });

  it('of an empty directory is empty', async () => {
    await expectSame();
  });

  it('of nothing, or of a socket, is refused', async () => {
    const missing = await bench.open({ root: bytesOf(join(bench.root, 'gone')) });
    await expect(missing.snapshot(plain, signal)).rejects.toMatchObject({ code: 'workdir-missing' });
    spawnSync('mkfifo', [join(bench.root, 'fifo')]);
    const fifo = await bench.open({ root: bytesOf(join(bench.root, 'fifo')) });
    await expect(fifo.snapshot(plain, signal)).rejects.toMatchObject({ code: 'not-supported' });
  });

  it('is the same object tree while nothing changes, and shares what did not', async () => {
    write('a/1');
    write('b/1');
    const source = await bench.open();
    const first = await source.snapshot(plain, signal);
    const second = await source.snapshot(plain, signal);
    expect(second.manifest).toBe(first.manifest);
    expect(second.id).not.toBe(first.id);
    write('a/2');
    const third = await source.snapshot(plain, signal);
    expect(third.digest).not.toBe(first.digest);
    expect(third.manifest.directories.get('b')).toBe(first.manifest.directories.get('b'));
  });

  it('leaves `.git` out where that is asked for, and warns of one that points outside', async () => {
    write('.git/HEAD', 'ref: refs/heads/main\n');
    write('sub/.git', 'gitdir: /somewhere/else\n');
    write('sub/inside/.git', 'gitdir: ../../.git\n');
    write('sub/file');
    const all = await (await bench.open()).snapshot(plain, signal);
    expect(all.warnings.filter((text) => text.includes('points outside'))).toEqual([
      expect.stringContaining('sub/.git points outside'),
    ]);
    expect([...(await receive(all)).keys()]).toContain('.git/HEAD');
    const without = await bench.open({ sendGit: false, indexFile: join(bench.top, 'index2') });
    expect([...(await receive(await without.snapshot(plain, signal))).keys()].sort()).toEqual([
      '',
      'sub',
      'sub/file',
      'sub/inside',
    ]);
  });

  it('ends soon when it is cancelled, and does not read again what was read', async () => {
    for (let at = 0; at < 20; at += 1) write(`d${at}/file`, noise(at + 1, 4_000_000));
    const source = await bench.open();
    const abort = new AbortController();
    let first = 0;
    const onProgress = (_files: number, bytes: number): void => {
      first = bytes;
      if (bytes > 16_000_000) abort.abort();
    };
    const taken = source.snapshot({ verify: false, onProgress }, abort.signal);
    await expect(taken).rejects.toMatchObject({ code: 'cancelled' });
    expect(first).toBeLessThan(80_000_000);
    let second = 0;
    await source.snapshot({ verify: false, onProgress: (_files, bytes) => void (second = bytes) }, signal);
    expect(second).toBeLessThanOrEqual(80_000_000 - 8_000_000);
    await source.close();
    await expectSame();
  });
});

describe('a tree that several threads walk', () => {
  it.each([0, 1, 2, 3])(
    'leaves out an ignored directory, %i levels down, of whose tracked files none is left',
    async (depth) => {
      const above = Array.from({ length: depth }, (_, level) => `d${level}/`).join('');
      write('.gitignore', 'x/\n');
      write(`${above}kept`);
      const tracked = write(`${above}x/y/tracked`);
      spawnSync('git', ['init', '-q', bench.root]);
      spawnSync('git', ['-C', bench.root, 'add', '-f', '.']);
      const source = await bench.open({ sendGit: false });
      expect((await source.snapshot(plain, signal)).manifest.directories.has(`${above}x/y`)).toBe(true);
      rmSync(tracked);
      const { manifest } = await source.snapshot(plain, signal);
      expect([...manifest.directories.keys()].some((path) => path.includes('x'))).toBe(false);
    },
  );
});

describe('a large file', () => {
  /** Names of the tasks that hash, as they are given out. */
  function watchHashing(): string[] {
    const tasks: string[] = [];
    const run = bench.pool.run.bind(bench.pool);
    bench.pool.run = async (task, input, stop, options) => {
      if (task === 'hash' || task === 'hashPart') tasks.push(task);
      return await run(task, input, stop, options);
    };
    return tasks;
  }

  it('is read by all threads, and comes over byte for byte, also after an edit', async () => {
    const tasks = watchHashing();
    const bytes = noise(1, 40_000_000);
    write('large', bytes);
    write('small');
    const source = await bench.open();
    const first = await source.snapshot(plain, signal);
    expect(tasks.sort()).toEqual(['hash', 'hashPart', 'hashPart']);
    tasks.length = 0;
    write(
      'large',
      Buffer.concat([noise(2, 5000), bytes.subarray(0, 30_000_000), noise(3, 10), bytes.subarray(30_000_000)]),
    );
    const second = await source.snapshot(plain, signal);
    expect(tasks).toEqual(['hashPart', 'hashPart']);
    expect(second.digest).not.toBe(first.digest);
    await source.close();
    await expectSame();
  });

  it('without cuts of its own, or with holes, is read by one', async () => {
    const tasks = watchHashing();
    write('alike', Buffer.alloc(36_000_000, 'x'));
    const fd = openSync(join(bench.root, 'sparse'), 'w');
    ftruncateSync(fd, 50_000_000);
    writeSync(fd, noise(4, 100_000), 0, 100_000, 45_000_000);
    closeSync(fd);
    const source = await bench.open();
    await source.snapshot(plain, signal);
    expect(tasks.filter((task) => task === 'hash')).toHaveLength(2);
    await source.close();
    await expectSame();
  });
});
