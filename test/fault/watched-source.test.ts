/** What a watched source must not miss, or must notice that it may have missed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { SourceBench } from '../helpers/source-bench.ts';

const { signal } = new AbortController();
const take = (source: Source): Promise<Snapshot> => source.snapshot({ verify: false }, signal);

async function emptyBench(): Promise<SourceBench> {
  const bench = await SourceBench.make();
  mkdirSync(bench.root, { recursive: true });
  return bench;
}

/** The digest of a scan that knows nothing. */
async function anew(bench: SourceBench): Promise<string> {
  const index = join(bench.top, 'none');
  rmSync(index, { force: true });
  await using source = await bench.open({ indexFile: index });
  return (await source.snapshot({ verify: true }, signal)).digest;
}

async function watched(bench: SourceBench): Promise<Source> {
  const source = await bench.open();
  await take(source);
  expect(await source.watch()).toBe(true);
  return source;
}

test('nothing changed: the very same manifest, and nothing was read', async () => {
  await using bench = await emptyBench();
  mkdirSync(join(bench.root, 'd'));
  writeFileSync(join(bench.root, 'd/a'), 'one');
  await using source = await watched(bench);
  const [first, second] = [await take(source), await take(source)];
  expect(second.manifest).toBe(first.manifest);
  expect(second.digest).toBe(await anew(bench));
});

test('an edit in the same second that keeps the size and puts the times back', async () => {
  await using bench = await emptyBench();
  const path = join(bench.root, 'a');
  writeFileSync(path, 'one');
  await using source = await watched(bench);
  const { atime, mtime } = statSync(path);
  writeFileSync(path, 'two');
  utimesSync(path, atime, mtime);
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('a file replaced by rename, from inside and from outside', async () => {
  await using bench = await emptyBench();
  writeFileSync(join(bench.root, 'a'), 'one');
  await using source = await watched(bench);
  writeFileSync(join(bench.root, 'b'), 'two');
  renameSync(join(bench.root, 'b'), join(bench.root, 'a'));
  expect((await take(source)).digest).toBe(await anew(bench));
  writeFileSync(join(bench.top, 'outside'), 'three');
  renameSync(join(bench.top, 'outside'), join(bench.root, 'a'));
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('ten thousand files touched in one burst, and as many made in new directories', async () => {
  await using bench = await emptyBench();
  for (let d = 0; d < 100; d += 1) {
    mkdirSync(join(bench.root, `d${d}`));
    for (let f = 0; f < 100; f += 1) writeFileSync(join(bench.root, `d${d}/f${f}`), '');
  }
  await using source = await watched(bench);
  for (let d = 0; d < 100; d += 1)
    for (let f = 0; f < 100; f += 1) utimesSync(join(bench.root, `d${d}/f${f}`), 1, d + f);
  expect((await take(source)).digest).toBe(await anew(bench));
  for (let d = 0; d < 100; d += 1) {
    mkdirSync(join(bench.root, `new${d}/deep/er`), { recursive: true });
    for (let f = 0; f < 100; f += 1) writeFileSync(join(bench.root, `new${d}/deep/er/f${f}`), `${f}`);
  }
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('more changes than the kernel keeps', async () => {
  await using bench = await emptyBench();
  writeFileSync(join(bench.root, 'a'), 'one');
  const queued = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
  await using source = await watched(bench);
  // In one go, so that nobody takes events out meanwhile; two files, for one name's events in a row are one.
  for (let n = 0; n < queued; n += 2) {
    utimesSync(join(bench.root, 'a'), 1, n);
    writeFileSync(join(bench.root, 'b'), `${n}`);
  }
  writeFileSync(join(bench.root, 'a'), 'the last edit');
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('the clock set back', async () => {
  await using bench = await emptyBench();
  const path = join(bench.root, 'a');
  writeFileSync(path, 'one');
  await using source = await watched(bench);
  // What a clock that went back leaves: contents that are newer than their times say.
  writeFileSync(path, 'two');
  utimesSync(path, new Date('2001-01-01'), new Date('2001-01-01'));
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('edits while a snapshot is being taken', async () => {
  await using bench = await emptyBench();
  for (let n = 0; n < 300; n += 1) {
    mkdirSync(join(bench.root, `d${n % 10}`), { recursive: true });
    writeFileSync(join(bench.root, `d${n % 10}/f${n}`), 'before');
  }
  await using source = await watched(bench);
  for (let round = 0; round < 5; round += 1) {
    for (let n = 0; n < 300; n += 3) writeFileSync(join(bench.root, `d${n % 10}/f${n}`), `round ${round}`);
    const state = { taken: false };
    const first = take(source).finally(() => {
      state.taken = true;
    });
    for (let n = 0; !state.taken; n = (n + 1) % 300) {
      writeFileSync(join(bench.root, `d${n % 10}/f${n}`), `round ${round}, while it was taken`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await first;
    expect((await take(source)).digest).toBe(await anew(bench));
  }
});

test('a write through a hard link that lies elsewhere', async () => {
  await using bench = await emptyBench();
  writeFileSync(join(bench.root, 'a'), 'one');
  execFileSync('ln', [join(bench.root, 'a'), join(bench.top, 'elsewhere')]);
  await using source = await watched(bench);
  writeFileSync(join(bench.top, 'elsewhere'), 'two');
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('the whole root replaced by another', async () => {
  await using bench = await emptyBench();
  writeFileSync(join(bench.root, 'a'), 'one');
  await using source = await watched(bench);
  renameSync(bench.root, join(bench.top, 'old'));
  mkdirSync(bench.root);
  writeFileSync(join(bench.root, 'b'), 'two');
  expect((await take(source)).digest).toBe(await anew(bench));
  expect(await source.watch()).toBe(true);
  writeFileSync(join(bench.top, 'old/a'), 'not of this tree any more');
  writeFileSync(join(bench.root, 'c'), 'three');
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('a directory that was renamed, a file of which was edited, and nothing else of it is read', async () => {
  await using bench = await emptyBench();
  mkdirSync(join(bench.root, 'old/deep'), { recursive: true });
  for (let n = 0; n < 5; n += 1) writeFileSync(join(bench.root, `old/deep/${n}`), Buffer.alloc(50_000, n));
  await using source = await watched(bench);
  let read = 1;
  const onProgress = (_files: number, bytes: number): void => void (read = bytes);
  // Files that were too young when they were read are read again.
  while (read > 0) {
    read = 0;
    renameSync(join(bench.root, 'old'), join(bench.root, 'new'));
    renameSync(join(bench.root, 'new'), join(bench.root, 'old'));
    await source.snapshot({ verify: false, onProgress }, signal);
  }
  renameSync(join(bench.root, 'old'), join(bench.root, 'new'));
  expect((await source.snapshot({ verify: false, onProgress }, signal)).digest).toBe(await anew(bench));
  expect(read).toBe(0);
  renameSync(join(bench.root, 'new'), join(bench.root, 'newer'));
  writeFileSync(join(bench.root, 'newer/deep/3'), Buffer.alloc(50_000, 9));
  expect((await source.snapshot({ verify: false, onProgress }, signal)).digest).toBe(await anew(bench));
  expect(read).toBe(50_000);
});

test('a directory moved away and another one moved in its place', async () => {
  await using bench = await emptyBench();
  for (const at of ['a/x/y', 'b/x/y']) {
    mkdirSync(join(bench.root, at), { recursive: true });
    writeFileSync(join(bench.root, at, 'f'), at);
  }
  await using source = await watched(bench);
  renameSync(join(bench.root, 'a'), join(bench.top, 'away'));
  renameSync(join(bench.root, 'b'), join(bench.root, 'a'));
  expect((await take(source)).digest).toBe(await anew(bench));
  writeFileSync(join(bench.root, 'a/x/y/f'), 'edited where it is now');
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('ignore rules that change, in the tree, above it and in the home', async () => {
  await using bench = await emptyBench();
  execFileSync('git', ['init', '-q', bench.root]);
  mkdirSync(join(bench.root, 'd'));
  for (const name of ['a', 'd/b', 'd/c']) writeFileSync(join(bench.root, name), name);
  await using source = await watched(bench);
  writeFileSync(join(bench.root, 'd/.gitignore'), 'b\n');
  expect((await take(source)).digest).toBe(await anew(bench));
  expect(await source.watch()).toBe(true);
  writeFileSync(join(bench.root, '.git/info/exclude'), 'c\n');
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('a tracked file that comes back in an ignored directory', async () => {
  await using bench = await emptyBench();
  mkdirSync(join(bench.root, 'd/x/y'), { recursive: true });
  for (const name of ['d/a', 'd/x/y/tracked']) writeFileSync(join(bench.root, name), name);
  execFileSync('git', ['init', '-q', bench.root]);
  execFileSync('git', ['-C', bench.root, 'add', '-f', '.']);
  writeFileSync(join(bench.root, '.gitignore'), 'x/\n');
  rmSync(join(bench.root, 'd/x/y/tracked'));
  await using source = await watched(bench);
  expect((await take(source)).manifest.directories.has('d/x/y')).toBe(false);
  writeFileSync(join(bench.root, 'd/x/y/tracked'), 'back');
  expect((await take(source)).manifest.directories.has('d/x/y')).toBe(true);
  expect((await take(source)).digest).toBe(await anew(bench));
});

/** Tasks of a pool are counted; the one that comes after `passing` others is held until it is cancelled. */
function holdTasks(bench: SourceBench): { passing: number; deepWalks: number; held: Promise<void> } {
  const run = bench.pool.run.bind(bench.pool);
  let isHeld: () => void = () => undefined;
  const state = { passing: Number.POSITIVE_INFINITY, deepWalks: 0, held: new Promise<void>((done) => (isHeld = done)) };
  bench.pool.run = async (task, input, stop, options) => {
    if (task === 'walk' && 'only' in input && input.only?.every(({ deep }) => !deep) !== true) state.deepWalks += 1;
    state.passing -= 1;
    if (state.passing >= 0) return await run(task, input, stop, options);
    state.passing = Number.POSITIVE_INFINITY;
    isHeld();
    return await new Promise((_, reject) => stop.addEventListener('abort', () => reject(stop.reason)));
  };
  return state;
}

test('a snapshot does not wait for a look at what is watched, which goes on being watched', async () => {
  await using bench = await emptyBench();
  for (const name of ['d', 'd/e', 'f']) mkdirSync(join(bench.root, name));
  for (const path of ['a', 'd/a', 'd/e/a', 'f/a']) writeFileSync(join(bench.root, path), path);
  const tasks = holdTasks(bench);
  await using source = await watched(bench);
  tasks.passing = 2;
  const looking = source.watch();
  await tasks.held;
  writeFileSync(join(bench.root, 'd/e/a'), 'edited');
  tasks.deepWalks = 0;
  const snapshot = await take(source);
  expect(await looking).toBe(true);
  expect(tasks.deepWalks).toBe(0);
  expect(snapshot.digest).toBe(await anew(bench));
  writeFileSync(join(bench.root, 'f/a'), 'edited');
  tasks.deepWalks = 0;
  const second = await take(source);
  expect(tasks.deepWalks).toBe(0);
  expect(second.digest).toBe(await anew(bench));
});

test.each(Array.from({ length: 8 }, (_, passing) => passing))(
  'what a look had found when a snapshot ended it, after %i tasks, is not lost and not half there',
  async (passing) => {
    await using bench = await emptyBench();
    for (const name of ['d', 'd/e', 'f']) mkdirSync(join(bench.root, name));
    for (const path of ['a', 'd/a', 'd/e/a', 'f/a']) writeFileSync(join(bench.root, path), path);
    await using source = await watched(bench);
    for (const name of ['g', 'g/h', 'g/h/i', 'd/e/j', 'd/e/j/k']) mkdirSync(join(bench.root, name));
    for (const path of ['g/a', 'g/h/a', 'g/h/i/a', 'd/e/j/a', 'd/e/j/k/a', 'f/a'])
      writeFileSync(join(bench.root, path), `new ${path}`);
    rmSync(join(bench.root, 'd/a'));
    const tasks = holdTasks(bench);
    tasks.passing = passing;
    const looking = source.watch();
    await Promise.race([tasks.held, looking]);
    tasks.passing = Number.POSITIVE_INFINITY;
    writeFileSync(join(bench.root, 'g/h/i/b'), 'later');
    const snapshot = await take(source);
    await looking;
    expect(snapshot.digest).toBe(await anew(bench));
    writeFileSync(join(bench.root, 'd/e/j/k/a'), 'last');
    expect((await take(source)).digest).toBe(await anew(bench));
  },
);
