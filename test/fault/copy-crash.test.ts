/**
 * Crash points of a copy (docs/decisions/0005-bucket-copies.md): it is killed before each change that it makes to the disk.
 * No file is ever there in part; the next run gives the bucket's bytes, makes no conflict but those there are, and fetches
 * what the killed one had not; the run after that fetches and changes nothing.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { rangeBytesOf } from '../../agent/copy/part-file.ts';
import { CopyBench } from '../helpers/copy-bench.ts';
import { DyingDisk } from '../helpers/dying-disk.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { Random } from '../helpers/random.ts';
import { readTree } from '../helpers/tree.ts';

let bench: CopyBench | undefined;
afterEach(() => bench?.[Symbol.dispose]());

const rangeBytes = rangeBytesOf(1);
const old = { big: Buffer.alloc(rangeBytes + 1000, 'o'), text: 'old' };
const big = Buffer.alloc(rangeBytes + 5000, 'n');
const theirs = 'what a person made of it';

/** A node that has copied a bucket, a person who edited one file of it, and a bucket that moved on. */
async function scene(): Promise<CopyBench> {
  const made = new CopyBench(new MemoryStore(), '/dev/shm');
  const { store } = made;
  store.set('keep', old.text, { parts: true });
  store.set('change', old.text, { parts: true });
  store.set('edited', old.text, { parts: true });
  store.set('gone/deep/file', old.text);
  store.set('swap', old.text, { parts: true });
  store.set('dir/was', old.text, { parts: true });
  store.set('big', old.big, { parts: true });
  await made.run();
  writeFileSync(made.at('edited'), theirs);
  store.set('change', 'new', { parts: true });
  store.set('edited', 'new as well', { parts: true });
  store.remove('gone/deep/file');
  store.remove('swap');
  store.set('swap/inner', 'inner', { parts: true });
  store.remove('dir/was');
  store.set('dir', 'a file now', { parts: true });
  store.set('big', big, { parts: true });
  store.set('fresh/a', 'a', { parts: true, metadata: { mode: '33188', mtime: '1000000000.5' } });
  store.set('fresh/b', 'b');
  store.set('fresh/link', 'a', { metadata: { mode: '41471' } });
  store.set('fresh/sub', '', { contentType: 'application/x-directory' });
  store.set('empty/', '');
  store.calls.splice(0);
  return made;
}

const versions: Readonly<Record<string, readonly (string | Buffer)[]>> = {
  keep: [old.text],
  change: [old.text, 'new'],
  edited: [theirs, 'new as well'],
  'gone/deep/file': [old.text],
  swap: [old.text],
  'swap/inner': ['inner'],
  'dir/was': [old.text],
  dir: ['a file now'],
  big: [old.big, big],
  'fresh/a': ['a'],
  'fresh/b': ['b'],
};

/** Every file under its final name is whole. */
function expectWhole({ data }: CopyBench, where: string): void {
  for (const [path, { kind }] of readTree(data)) {
    // An empty file that asks whether a rename works is taken away by the next run.
    if (kind !== 'file' || path === '.towline-probe-k') continue;
    const bytes = readFileSync(`${data}/${path}`);
    const known = versions[path]?.some((version) => bytes.equals(Buffer.from(version)));
    expect(known, `${where}: ${path} has ${bytes.length} bytes that are no version of it`).toBe(true);
  }
}

function expectDone({ data, conflicts }: CopyBench, where: string): void {
  const tree = readTree(data);
  const files = [...tree].filter(([, { kind }]) => kind !== 'dir').map(([path]) => path);
  expect(files.sort(), where).toEqual(
    ['big', 'change', 'dir', 'edited', 'fresh/a', 'fresh/b', 'fresh/link', 'keep', 'swap/inner'].sort(),
  );
  for (const path of files)
    if (path !== 'fresh/link') {
      const want = Buffer.from(versions[path]?.at(-1) ?? '');
      expect(readFileSync(`${data}/${path}`).equals(want), `${where}: ${path}`).toBe(true);
    }
  expect(tree.get('fresh/link')?.content, where).toBe('a');
  expect(tree.get('fresh/sub')?.kind, where).toBe('dir');
  expect(tree.get('empty')?.kind, where).toBe('dir');
  expect(tree.has('gone'), where).toBe(false);
  expect([tree.get('fresh/a')?.mode, tree.get('fresh/a')?.mtimeNs], where).toEqual([0o644, 1_000_000_000_500_000_000n]);
  expect(tree.get('fresh/b')?.mode, where).toBe(0o644);
  const kept = readdirSync(conflicts).filter((id) => existsSync(`${conflicts}/${id}/data`));
  expect(
    kept.map((id) => readFileSync(`${conflicts}/${id}/data`, 'utf8')),
    where,
  ).toEqual([theirs]);
}

/** Runs once more: nothing is fetched but what is a directory by its metadata alone, and nothing is touched. */
async function expectAtRest(on: CopyBench, where: string): Promise<void> {
  const before = readTree(on.data);
  on.store.calls.splice(0);
  const result = await on.run();
  expect([result.fetchedBytes, result.placed, result.removed, result.conflicts], where).toEqual([0, 0, 0, []]);
  expect(on.store.count('get'), where).toBe(0);
  expect(readTree(on.data), where).toEqual(before);
}

/** Runs until it is killed. `staged`: files that it had made whole in its stage. */
async function runKilled(
  on: CopyBench,
  lives: ConstructorParameters<typeof DyingDisk>[0],
): Promise<{ readonly killed: boolean; readonly staged: number; readonly ranges: number }> {
  using disk = new DyingDisk(lives);
  try {
    await on.run();
  } catch (error) {
    if (!disk.dead) throw error;
  }
  return {
    killed: disk.dead,
    staged: disk.made.filter(({ call }) => call === 'fchmodSync' || call === 'symlinkSync').length,
    ranges: disk.made.filter(({ call, args }) => call === 'writeSync' && args[3] === 1 && args[4] !== undefined).length,
  };
}

/** Of all crash points each of so many: scripts/test tries every one on one Node, and some on the other. */
const step = Number(process.env['TOWLINE_CRASH_STEP'] ?? 1);

test('killed before each change that it makes to the disk', { timeout: 240_000 }, async () => {
  let changes = 0;
  for (let at = 0; ; at += step) {
    using on = await scene();
    const { killed, staged } = await runKilled(on, (_, index) => index < at);
    const where = `killed before change ${at}`;
    expectWhole(on, where);
    if (!killed) {
      changes = at;
      break;
    }
    on.store.calls.splice(0);
    const { problems } = await on.run();
    expect(problems, where).toEqual([]);
    // Six small objects come, a link, a directory, and the large one by two ranges: what was staged is not asked for again.
    const small = on.store.calls.filter(({ method, key }) => method === 'get' && key !== 'big');
    expect(small.length, where).toBeLessThanOrEqual(9 - Math.max(0, staged - 1));
    expectDone(on, where);
    await expectAtRest(on, where);
  }
  expect(changes).toBeGreaterThan(60);
});

test('killed again and again, a few changes further each time, it gets there', { timeout: 120_000 }, async () => {
  const random = new Random(3);
  for (let round = 0; round < 4; round += 1) {
    using on = await scene();
    let runs = 0;
    for (; ; runs += 1) {
      const more = 8 + random.below(12);
      const { killed } = await runKilled(on, (_, index) => index < more + runs);
      expectWhole(on, `round ${round}, run ${runs}`);
      if (!killed) break;
    }
    expect(runs).toBeGreaterThan(2);
    expectDone(on, `round ${round}, after ${runs} runs`);
    await expectAtRest(on, `round ${round}`);
  }
});

test('of a large object the ranges that are whole are not fetched again', async () => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
  const { store } = bench;
  const bytes = new Random(5).bytes(1 << 16);
  const large = Buffer.concat(Array.from({ length: 5 * 128 }, () => bytes));
  store.set('large', large, { parts: true });
  let ranges = 0;
  const killed = await runKilled(bench, (call, _, args) => {
    if (call === 'writeSync' && args[3] === 1) ranges += 1;
    return ranges < 4;
  });
  expect([killed.killed, killed.ranges]).toEqual([true, 3]);
  expect(readdirSync(bench.data)).toEqual([]);
  store.calls.splice(0);
  const result = await bench.run();
  expect(store.calls.filter(({ method }) => method === 'get').length).toBe(2);
  expect(result.fetchedBytes).toBe(large.length - 3 * rangeBytes);
  expect(readFileSync(bench.at('large')).equals(large)).toBe(true);
});

test('a finished large object that was lost after it was placed is fetched whole, whatever its notes say', async () => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
  const { store } = bench;
  store.set('large', big, { parts: true });
  // It was placed; its `.done` is still there, as are the journal and the old ledger.
  await runKilled(bench, (call, _, args) => !(call === 'rmSync' && String(args[0]).endsWith('.done')));
  await runKilled(bench, (_call, _index, args) => !String(args[0]).endsWith('ledger.new'));
  rmSync(bench.at('large'));
  await bench.run();
  expect(readFileSync(bench.at('large')).equals(big)).toBe(true);
});

test('a file whose mode and times were not set yet when the run was killed is not taken for whole', async () => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
  bench.store.set('a', 'a', { parts: true, metadata: { mode: '33261', mtime: '1000000000' } });
  const { killed } = await runKilled(bench, (call) => call !== 'fchmodSync');
  expect(killed).toBe(true);
  await bench.run();
  const item = readTree(bench.data).get('a');
  expect([item?.mode, item?.mtimeNs]).toEqual([0o755, 1_000_000_000_000_000_000n]);
});

test('after a power cut nothing that was placed since the last ledger is believed, and none of it is a conflict', async () => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
  const { store } = bench;
  for (const key of ['a', 'b', 'c']) store.set(key, `right ${key}`, { parts: true });
  await runKilled(bench, (_call, _index, args) => !String(args[0]).endsWith('ledger.new'));
  // The names were on the disk, the bytes were not.
  for (const key of ['a', 'b']) {
    const { mtimeNs } = readTree(bench.data).get(key) ?? { mtimeNs: 0n };
    writeFileSync(bench.at(key), Buffer.alloc(7));
    utimesSync(bench.at(key), Number(mtimeNs / 1_000_000_000n), Number(mtimeNs / 1_000_000_000n));
  }
  using _ = new DyingDisk(() => true, 'another boot\n');
  const result = await bench.run();
  expect([result.placed, result.conflicts]).toEqual([3, []]);
  for (const key of ['a', 'b', 'c']) expect(readFileSync(bench.at(key), 'utf8')).toBe(`right ${key}`);
});

test('after a power cut nothing that was staged is used', async () => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
  bench.store.set('a', 'right', { parts: true });
  await runKilled(bench, (call) => call !== 'renameSync');
  using _ = new DyingDisk(() => true, 'another boot\n');
  bench.store.calls.splice(0);
  await bench.run();
  expect(bench.store.count('get')).toBe(1);
});

test('a damaged ledger costs looking, and fetching where there is no MD5; what lies there is kept', async () => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
  const { store } = bench;
  store.set('md5', 'right');
  store.set('parts', 'right', { parts: true });
  await bench.run();
  writeFileSync(`${bench.home}/state/ledger`, 'damaged');
  store.calls.splice(0);
  const result = await bench.run();
  expect(store.calls.filter(({ method }) => method === 'get').map(({ key }) => key)).toEqual(['parts']);
  expect(result.conflicts.map(({ path, reason }) => [path, reason])).toEqual([['parts', 'in-the-way']]);
});

test('a journal that was torn twice forgets nothing that came in between', async () => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
  const { store } = bench;
  store.set('a', 'a', { parts: true });
  await runKilled(bench, (_call, _index, args) => !String(args[0]).endsWith('ledger.new'));
  const journal = `${bench.home}/state/journal`;
  appendFileSync(journal, readFileSync(journal).subarray(0, 40));
  store.set('b', 'b', { parts: true });
  await runKilled(bench, (_call, _index, args) => !String(args[0]).endsWith('ledger.new'));
  store.set('b', 'newer', { parts: true });
  const result = await bench.run();
  expect([result.placed, result.conflicts]).toEqual([1, []]);
});
