/** A large file is begun before the source has read all of it: whatever was told, and whatever became of it, the bytes are right. */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EarlyCall, EarlyCopies } from '../../protocol/pull/replica/early-copies.ts';
import type { Ledger } from '../../protocol/pull/replica/ledger.ts';
import { LedgerFile } from '../../protocol/pull/replica/ledger-file.ts';
import { recoverAllRoots } from '../../protocol/pull/replica/recover-all.ts';
import { noise } from '../helpers/noise.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullSetup, pull, sessionOptions } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

const mib = 1 << 20;
const bytes = 8 * mib;

let top = '';
let source = '';
let node = '';
let there = '';
let here = '';
let early = new EarlyCopies();

beforeEach(() => {
  top = realpathSync(mkdtempSync('/dev/shm/early-'));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  [here, there] = [join(source, 'large'), join(node, 'home/work/large')];
  mkdirSync(source);
  mkdirSync(join(node, 'home'), { recursive: true });
  writeFileSync(here, noise(1, bytes));
  sync();
  outlastClockGrain(there);
  sync();
  early = new EarlyCopies();
});
afterEach(() => {
  early.drop();
  rmSync(top, { recursive: true, force: true });
});

function sync(setup: Partial<PullSetup> = {}): ReturnType<typeof pull> {
  return pull(plainSnapshot(source), { node, ...setup });
}

function ledger(): Ledger {
  const found = new LedgerFile(join(node, 'state')).load();
  if (found === undefined) throw new Error('nothing was pulled');
  return found;
}

function tell(call: Partial<EarlyCall>): boolean {
  const { stateDir, key, dest, rules } = sessionOptions(plainSnapshot(source), { node });
  const now = ledger();
  return early.copy(now, {
    root: { stateDir, key, dest, rules },
    base: now.digest,
    path: 'large',
    from: 'large',
    size: bytes + mib,
    ranges: [],
    ...call,
  });
}

/** What lies in the stage. */
function staged(): string[] {
  const directory = join(node, 'state/stage');
  return existsSync(directory) ? readdirSync(directory, { recursive: true, encoding: 'utf8' }) : [];
}

function expectSame(): void {
  expect(missingOrDifferent(readTree(source), readTree(join(node, 'home/work')))).toEqual([]);
  expect(staged()).toEqual([]);
  const again = sync();
  expect([again.placed, again.fetchedBytes, again.conflicts, again.problems]).toEqual([0, 0, [], []]);
}

function insert(): void {
  writeFileSync(here, Buffer.concat([noise(2, mib), readFileSync(here)]));
}

test('what was begun is taken, and the rest added', () => {
  insert();
  expect(tell({ ranges: [0, mib, 2 * mib] })).toBe(true);
  expect(tell({ ranges: [2 * mib, 3 * mib, mib, 6 * mib, 7 * mib, 2 * mib] })).toBe(true);
  const begun = readFileSync(join(node, 'state/stage/early/0')).subarray(mib, 4 * mib);
  expect(begun.equals(noise(1, bytes).subarray(0, 3 * mib))).toBe(true);
  const result = sync({ early });
  expect(result.fetchedBytes).toBeLessThan(2 * mib);
  expect(result.reusedBytes).toBeGreaterThan(bytes - mib);
  expectSame();
});

test('a copy is begun from the file that it is a copy of', () => {
  copyFileSync(here, join(source, 'copy'));
  expect(tell({ path: 'copy', size: bytes, ranges: [0, 0, 3 * mib, 5 * mib, 5 * mib, mib] })).toBe(true);
  expect(sync({ early }).fetchedBytes).toBe(0);
  expectSame();
});

test('whatever is told of files that change in whatever way, the bytes are right', () => {
  const place = fc.integer({ min: 0, max: bytes - mib });
  const told = fc.array(fc.tuple(place, place, fc.integer({ min: 1, max: mib })), { maxLength: 12 });
  const shift = fc.constantFrom(-100_000, 0, 4096, 300_000);
  fc.assert(
    fc.property(told, shift, fc.boolean(), (ranges, by, truths) => {
      const old = noise(1, bytes);
      const now = by < 0 ? old.subarray(-by) : Buffer.concat([noise(3, by), old]);
      writeFileSync(here, now);
      for (const [from, to, length] of ranges) {
        const right = truths && from >= -by && from + by + length <= now.length;
        tell({
          size: now.length,
          ranges: right ? [from, from + by, length] : [from, Math.min(to, now.length - length), length],
        });
      }
      expect(sync({ early }).problems).toEqual([]);
      expect(readFileSync(there).equals(now)).toBe(true);
      expect(staged()).toEqual([]);
      // As it was, for the next run.
      writeFileSync(here, old);
      sync();
      early = new EarlyCopies();
    }),
    { numRuns: 12 },
  );
}, 60_000);

test('a hole in the new file has zeros', () => {
  truncateSync(here, 0);
  truncateSync(here, bytes + mib);
  appendFileSync(here, noise(1, bytes));
  tell({ size: 2 * bytes + mib, ranges: [0, 0, 2 * mib, 0, bytes + mib, bytes] });
  sync({ early });
  expectSame();
});

test('the file on the node changes when it was begun from: that version is kept, and not mixed in', () => {
  insert();
  expect(tell({ ranges: [0, mib, 4 * mib] })).toBe(true);
  writeFileSync(there, noise(7, bytes));
  expect(tell({ ranges: [4 * mib, 5 * mib, 4 * mib] })).toBe(true);
  const { conflicts } = sync({ early });
  expect(conflicts).toHaveLength(1);
  expectSame();
});

test('nothing is begun from a file that is not what the ledger says, or of another root', () => {
  expect(tell({ base: plainSnapshot(top).digest })).toBe(false);
  expect(tell({ from: 'missing' })).toBe(false);
  writeFileSync(there, noise(7, bytes));
  expect(tell({})).toBe(false);
  expect(early.copy(undefined, { ...callFor('large') })).toBe(false);
  expect(staged()).toEqual([]);
});

function callFor(path: string): EarlyCall {
  const { stateDir, key, dest, rules } = sessionOptions(plainSnapshot(source), { node });
  return { root: { stateDir, key, dest, rules }, base: ledger().digest, path, from: 'large', size: bytes, ranges: [] };
}

test('what is told contradicts itself: all of it is forgotten', () => {
  insert();
  expect(tell({ ranges: [0, mib, mib, 3 * mib, mib + 5, 10] })).toBe(false);
  expect(staged()).toEqual(['early']);
  // Begun once more, from nothing.
  expect(tell({ ranges: [mib, 2 * mib, mib] })).toBe(true);
  sync({ early });
  expectSame();
});

test('what is told twice is copied once', () => {
  insert();
  expect(tell({ ranges: [0, mib, 2 * mib] })).toBe(true);
  expect(tell({ size: bytes + 2 * mib, ranges: [mib, 2 * mib, 3 * mib, 0, mib, 5 * mib] })).toBe(true);
  sync({ early });
  expectSame();
});

test('of several files one is forgotten, and another begun: each has its own bytes', () => {
  for (const [at, name] of ['a', 'b', 'c'].entries()) writeFileSync(join(source, name), noise(20 + at, bytes));
  sync();
  outlastClockGrain(join(node, 'home/work/c'));
  sync();
  for (const name of ['a', 'b', 'c']) {
    const path = join(source, name);
    writeFileSync(path, Buffer.concat([noise(30, mib), readFileSync(path)]));
  }
  const from = (name: string, ...ranges: number[]): boolean => tell({ path: name, from: name, ranges });
  expect([from('a', 0, mib, mib), from('b', 0, mib, 2 * mib)]).toEqual([true, true]);
  expect(from('a', 3 * mib, mib, 10)).toBe(false);
  expect(from('c', 0, mib, 7 * mib)).toBe(true);
  expect(from('b', 2 * mib, 3 * mib, mib)).toBe(true);
  expect(staged()).toEqual(['early', 'early/1', 'early/2']);
  sync({ early });
  expectSame();
});

test.each([
  ['of the former file', [bytes - 5, 0, 6]],
  ['of the new one', [0, bytes + mib - 5, 6]],
])('a range outside %s is refused', (_, ranges) => {
  expect(() => tell({ ranges })).toThrow(expect.objectContaining({ code: 'bad-message' }));
});

test('no more than four files are begun at one time', () => {
  const begun = ['a', 'b', 'c', 'd', 'e'].map((path) => tell({ path, size: bytes, ranges: [0, 0, mib] }));
  expect(begun).toEqual([true, true, true, true, false]);
});

test('a pull that does not know of it deletes it', () => {
  insert();
  tell({ ranges: [0, mib, 4 * mib] });
  expect(staged()).toEqual(['early', 'early/0']);
  sync({
    before: (step) => {
      if (step === 'reuse') expect(staged().filter((name) => name.startsWith('early'))).toEqual([]);
    },
  });
  expectSame();
});

test('an agent that starts deletes what the one before it had begun', async () => {
  mkdirSync(join(node, 'roots'), { recursive: true });
  renameSync(join(node, 'state'), join(node, 'roots/root'));
  mkdirSync(join(node, 'roots/root/stage/early'), { recursive: true });
  mkdirSync(join(node, 'home/.towline-stage-root/early'), { recursive: true });
  writeFileSync(join(node, 'roots/root/stage/early/0'), 'x');
  writeFileSync(join(node, 'home/.towline-stage-root/early/0'), 'x');
  const options = { rootsDir: join(node, 'roots'), conflictsDir: join(node, 'conflicts'), script: 'none' };
  await recoverAllRoots(options, new AbortController().signal);
  expect(existsSync(join(node, 'roots/root/stage/early'))).toBe(false);
  expect(existsSync(join(node, 'home/.towline-stage-root/early'))).toBe(false);
  renameSync(join(node, 'roots/root'), join(node, 'state'));
  expectSame();
});

test('a pull that breaks off before it took anything deletes it', () => {
  insert();
  tell({ ranges: [0, mib, 4 * mib] });
  const breakOff = (step: string): void => {
    if (step === 'stage') throw new Error('broken off');
  };
  expect(() => sync({ early, before: breakOff })).toThrow('broken off');
  expect(staged()).toEqual([]);
});

test('what no pull took is deleted, by whoever began it or by a pull that has nothing to do', () => {
  tell({ path: 'copy', size: bytes, ranges: [0, 0, mib] });
  early.drop();
  expect(staged()).toEqual([]);
  tell({ path: 'copy', size: bytes, ranges: [0, 0, mib] });
  expect(sync({ early }).placed).toBe(0);
  expect(staged()).toEqual([]);
});

test('a file that was begun from is patched all the same, and what was begun of it is of no use', () => {
  const large = 33 * mib;
  writeFileSync(here, noise(4, large));
  sync();
  outlastClockGrain(there);
  sync();
  const { ino } = statSync(there);
  copyFileSync(here, join(source, 'copy'));
  const all = readFileSync(here);
  all.write('changed', 5 * mib);
  writeFileSync(here, all);
  expect(tell({ path: 'copy', size: large, ranges: [0, 0, 20 * mib] })).toBe(true);
  expect(tell({ size: large, ranges: [0, 0, 4 * mib] })).toBe(true);
  expect(sync({ early }).reusedBytes).toBeGreaterThan(2 * large - mib);
  expect(statSync(there).ino).toBe(ino);
  expectSame();
});

test('no file stays open', async () => {
  const large = 33 * mib;
  const open = (): number => readdirSync('/proc/self/fd').length;
  writeFileSync(here, noise(4, large));
  sync();
  outlastClockGrain(there);
  sync();
  const before = open();
  for (let round = 1; round <= 3; round += 1) {
    insert();
    expect(tell({ size: large + round * mib, ranges: [0, mib, mib] })).toBe(true);
    sync({ early });
    early = new EarlyCopies();
  }
  await expect.poll(open, { timeout: 20_000 }).toBeLessThanOrEqual(before);
  expectSame();
});
