/** A watched source reads what changed before anybody asks: then nothing is left to read, and nothing is missed. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { SourceWatch } from '../../protocol/pull/source/source-watch.ts';
import { codeOf } from '../helpers/code-of.ts';
import { SourceBench } from '../helpers/source-bench.ts';

const { signal } = new AbortController();
const take = (source: Source): Promise<Snapshot> => source.snapshot({ verify: false }, signal);

/** A tree that is watched, and what its threads are told to do from then on. */
async function watched(bench: SourceBench, files: Readonly<Record<string, string>>) {
  mkdirSync(join(bench.root, 'd'), { recursive: true });
  for (const [path, text] of Object.entries(files)) writeFileSync(join(bench.root, path), text);
  const source = await bench.open();
  await take(source);
  expect(await source.watch()).toBe(true);
  const run = vi.spyOn(bench.pool, 'run');
  const done = (task: string): number =>
    run.mock.settledResults.filter((_, at) => run.mock.calls[at]?.[0] === task).length;
  /** Once so many such tasks have ended, and what came of them was taken up. */
  const ended = async (task: string, count: number): Promise<void> => {
    await vi.waitFor(() => expect(done(task)).toBeGreaterThanOrEqual(count), { timeout: 30_000 });
  };
  return { source, ended, tasks: () => run.mock.calls.map(([task]) => task) };
}

/** Root reads whatever there is. */
function ordinaryUser(): Disposable {
  const root = process.getuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  return { [Symbol.dispose]: () => void (root && process.seteuid?.(0)) };
}

/** The digest of a scan that knows nothing. */
async function anew(bench: SourceBench): Promise<string> {
  const index = join(bench.top, 'none');
  rmSync(index, { force: true });
  await using source = await bench.open({ indexFile: index });
  return (await source.snapshot({ verify: true }, signal)).digest;
}

test('a file that was edited and one that is new', async () => {
  await using bench = await SourceBench.make();
  const { source, ended, tasks } = await watched(bench, { 'd/a': 'one', b: 'same' });
  writeFileSync(join(bench.root, 'd/a'), 'two');
  writeFileSync(join(bench.root, 'd/new'), 'three');
  await ended('hash', 1);
  const before = tasks().length;
  const snapshot = await take(source);
  // It is looked at again, for what raises no event, and need not be read.
  expect(tasks().slice(before)).toEqual(['walk']);
  expect(snapshot.digest).toBe(await anew(bench));
});

test('an edit after it was looked at is not missed', async () => {
  await using bench = await SourceBench.make();
  const { source, ended } = await watched(bench, { a: 'one' });
  for (const [count, text] of ['two', 'six', 'ten'].entries()) {
    writeFileSync(join(bench.root, 'a'), text);
    // One by the look and one by the snapshot each time.
    await ended('hash', 2 * count + 1);
    writeFileSync(join(bench.root, 'a'), text.toUpperCase());
    expect((await take(source)).digest).toBe(await anew(bench));
  }
});

test('rules that changed', async () => {
  await using bench = await SourceBench.make();
  const { source } = await watched(bench, { a: 'one', b: 'two' });
  const ends = vi.spyOn(SourceWatch.prototype, Symbol.dispose);
  writeFileSync(join(bench.root, '.gitignore'), 'b\n');
  // What changed does not tell: the watch is over.
  await vi.waitFor(() => expect(ends).toHaveBeenCalled(), { timeout: 30_000 });
  ends.mockRestore();
  expect((await take(source)).digest).toBe(await anew(bench));
});

test('a file that cannot be read is told to whoever asks, and read once it can be', async () => {
  using _ = ordinaryUser();
  await using bench = await SourceBench.make();
  const { source, ended } = await watched(bench, { a: 'one', 'd/b': 'two' });
  writeFileSync(join(bench.root, 'a'), 'secret');
  chmodSync(join(bench.root, 'a'), 0);
  await ended('hash', 1);
  expect((await take(source)).problems).toMatchObject([{ path: 'a', code: 'permission-denied' }]);
  chmodSync(join(bench.root, 'a'), 0o600);
  const snapshot = await take(source);
  expect(snapshot.problems).toEqual([]);
  expect(snapshot.digest).toBe(await anew(bench));
  expect(readFileSync(join(bench.root, 'a'), 'utf8')).toBe('secret');
});

test('a directory that is gone again, and one that took its place', async () => {
  await using bench = await SourceBench.make();
  const { source, ended } = await watched(bench, { 'd/a': 'one', b: 'two' });
  writeFileSync(join(bench.root, 'd/a'), 'three');
  await ended('hash', 1);
  rmSync(join(bench.root, 'd'), { recursive: true });
  await ended('walk', 2);
  mkdirSync(join(bench.root, 'd'));
  writeFileSync(join(bench.root, 'd/c'), 'four');
  const snapshot = await take(source);
  expect(snapshot.digest).toBe(await anew(bench));
  expect((await take(source)).digest).toBe(snapshot.digest);
});

test('a snapshot that nobody waits for any more is not taken, and harms none', async () => {
  await using bench = await SourceBench.make();
  const { source, tasks } = await watched(bench, { a: 'one' });
  writeFileSync(join(bench.root, 'a'), Buffer.alloc(32 << 20, 'x'));
  const gone = new AbortController();
  const first = take(source);
  const second = source.snapshot({ verify: true }, gone.signal);
  gone.abort();
  expect(await codeOf(second)).toBe('cancelled');
  await first;
  const before = tasks().length;
  writeFileSync(join(bench.root, 'b'), 'two');
  const snapshot = await take(source);
  // The watch is still there: one look at what changed, one file read.
  expect(tasks().slice(before)).toEqual(['walk', 'hash']);
  expect(snapshot.digest).toBe(await anew(bench));
});

test('a source that is closed meanwhile closes', async () => {
  await using bench = await SourceBench.make();
  const { source, ended } = await watched(bench, { a: 'one' });
  writeFileSync(join(bench.root, 'a'), Buffer.alloc(64 << 20, 'x'));
  await ended('walk', 1);
  await source.close();
});
