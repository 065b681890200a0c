/**
 * Crash points of a switch (docs/decisions/0001-states-of-a-root.md): the node stops after any number of ops, or with a
 * torn ledger record, or with a journal half written. Recovery, then the next pull, must give the source's tree and keep
 * every version the node had.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readJournal } from '../../protocol/pull/replica/journal.ts';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { recoverRoot } from '../../protocol/pull/replica/recover.ts';
import { runSwitch } from '../../protocol/pull/replica/switch.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullStep, pull } from '../helpers/pull.ts';
import { Random } from '../helpers/random.ts';
import { RandomTree } from '../helpers/random-tree.ts';
import { missingOrDifferent, readTree, type TreeItem } from '../helpers/tree.ts';

let top = '';
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'crash-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

class Crash extends Error {}

function crashBefore(step: PullStep): (now: PullStep) => void {
  return (now) => {
    if (now === step) throw new Crash(step);
  };
}

/** A node with a root of ours, edits of the node's own in it, and a source that moved on. */
function scene(seed: number): { source: string; node: string; theirs: TreeItem[] } {
  const random = new Random(seed);
  const [source, node] = [join(top, 'src'), join(top, 'node')];
  mkdirSync(source);
  mkdirSync(join(node, 'home'), { recursive: true });
  const tree = new RandomTree(source, random);
  for (let n = 0; n < 40; n += 1) tree.edit();
  pull(plainSnapshot(source), { node });
  const before = readTree(join(node, 'home/work'));
  for (let n = 0; n < 10; n += 1) new RandomTree(join(node, 'home/work'), random).edit();
  for (let n = 0; n < 25; n += 1) tree.edit();
  const after = readTree(join(node, 'home/work'));
  const theirs = [...after]
    .filter(([path, item]) => item.kind === 'file' && before.get(path)?.content !== item.content)
    .map(([, item]) => item);
  return { source, node, theirs };
}

function contents(...roots: string[]): Set<string> {
  return new Set(roots.flatMap((root) => [...readTree(root).values()].map((item) => item.content)));
}

function expectWhole(source: string, node: string, theirs: readonly TreeItem[], where: string): void {
  expect(missingOrDifferent(readTree(source), readTree(join(node, 'home/work'))), where).toEqual([]);
  mkdirSync(join(node, 'conflicts'), { recursive: true });
  const kept = contents(join(node, 'home/work'), join(node, 'conflicts'));
  for (const item of theirs) expect(kept.has(item.content), `${where}: a version of the node is lost`).toBe(true);
}

/** Of all crash points each of so many: scripts/test tries every one on one Node, and some on the other. */
const step = Number(process.env['TOWLINE_CRASH_STEP'] ?? 1);

test.each([11, 12, 13])('the node stops after each op of a switch (seed %i)', { timeout: 240_000 }, (seed) => {
  const { source, node, theirs } = scene(seed);
  const snapshot = plainSnapshot(source);
  expect(() => pull(snapshot, { node, before: crashBefore('switch') })).toThrow(Crash);
  const journal = readJournal(join(node, 'state'));
  if (journal === undefined) throw new Error('no journal');
  for (let done = 0; done <= journal.ops.length; done += step) {
    const where = `seed ${seed}, ${done} of ${journal.ops.length} ops done`;
    const saved = join(top, 'saved');
    execFileSync('cp', ['-a', node, saved]);
    runSwitch({ ...journal, ops: journal.ops.slice(0, done) }, new KeptVersions(join(node, 'conflicts')));
    const recovery = recoverRoot(join(node, 'state'), new KeptVersions(join(node, 'conflicts')));
    expect(recovery.rolledForward, where).toBeDefined();
    expect(recovery.ledger?.digest === snapshot.digest, where).toBe(true);
    expect(readJournal(join(node, 'state')), where).toBeUndefined();
    expectWhole(source, node, theirs, where);
    const next = pull(snapshot, { node });
    expect([next.fetchedBytes, next.placed, next.conflicts], where).toEqual([0, 0, []]);
    expectWhole(source, node, theirs, where);
    rmSync(node, { recursive: true, force: true });
    execFileSync('mv', [saved, node]);
  }
});

test.each(['manifest', 'observe', 'stage', 'reuse', 'pack', 'prepare'] as const)(
  'the node stops before %s: its tree is untouched and the next pull finishes',
  (step) => {
    const { source, node, theirs } = scene(21);
    const before = readTree(join(node, 'home/work'));
    expect(() => pull(plainSnapshot(source), { node, before: crashBefore(step) })).toThrow(Crash);
    const after = readTree(join(node, 'home/work'));
    before.delete('');
    expect(missingOrDifferent(before, after)).toEqual([]);
    pull(plainSnapshot(source), { node });
    expectWhole(source, node, theirs, step);
  },
);

test('a first sync that stops is not visible at all, and its chunks are not fetched again', () => {
  const [source, node] = [join(top, 'src'), join(top, 'node')];
  mkdirSync(source);
  mkdirSync(join(node, 'home'), { recursive: true });
  const tree = new RandomTree(source, new Random(5));
  for (let n = 0; n < 60; n += 1) tree.edit();
  const snapshot = plainSnapshot(source);
  const total = new Set(snapshot.chunks.map((chunk) => chunk.toString('latin1')));
  let packs = 0;
  expect(() =>
    pull(snapshot, {
      node,
      before: (step) => {
        if (step === 'pack' && packs++ === 1) throw new Crash(step);
      },
    }),
  ).toThrow(Crash);
  expect(readTree(join(node, 'home')).has('work')).toBe(false);
  const { fetchedBytes } = pull(snapshot, { node });
  expect(fetchedBytes).toBeLessThan([...total].reduce((sum, chunk) => sum + chunk.length, 0));
  expectWhole(source, node, [], 'after');
});

test('a torn ledger record is not there, a whole journal is run again', () => {
  const { source, node, theirs } = scene(31);
  const snapshot = plainSnapshot(source);
  expect(() => pull(snapshot, { node, before: crashBefore('switch') })).toThrow(Crash);
  const ledger = join(node, 'state/ledger');
  const whole = readFileSync(ledger).length;
  appendFileSync(ledger, Buffer.alloc(100, 7));
  expect(
    recoverRoot(join(node, 'state'), new KeptVersions(join(node, 'conflicts'))).ledger?.digest === snapshot.digest,
  ).toBe(true);
  expect(readFileSync(ledger).length).toBeGreaterThan(whole);
  expectWhole(source, node, theirs, 'torn ledger');
});

test('a journal that was being written when the node stopped is no journal', () => {
  const { source, node, theirs } = scene(41);
  writeFileSync(join(node, 'state/journal.new'), 'half');
  pull(plainSnapshot(source), { node });
  expectWhole(source, node, theirs, 'journal.new');
});

test('a damaged journal is set aside, nothing is removed, and the next pull adopts what is equal', () => {
  const { source, node, theirs } = scene(51);
  const snapshot = plainSnapshot(source);
  expect(() => pull(snapshot, { node, before: crashBefore('switch') })).toThrow(Crash);
  truncateSync(join(node, 'state/journal'), 50);
  const result = pull(snapshot, { node });
  expect(result.problems.map((problem) => problem.code)).toEqual(['journal-damaged']);
  expect(readFileSync(join(node, 'state/journal.damaged')).length).toBe(50);
  expectWhole(source, node, theirs, 'damaged journal');
});

test('a ledger cut anywhere costs fetching, never data', { timeout: 240_000 }, () => {
  const { source, node, theirs } = scene(61);
  const size = readFileSync(join(node, 'state/ledger')).length;
  for (const keep of [0, 3, 40, Math.floor(size / 2), size - 1]) {
    const saved = join(top, 'saved');
    execFileSync('cp', ['-a', node, saved]);
    truncateSync(join(node, 'state/ledger'), keep);
    pull(plainSnapshot(source), { node });
    expectWhole(source, node, theirs, `ledger cut to ${keep}`);
    rmSync(node, { recursive: true, force: true });
    execFileSync('mv', [saved, node]);
  }
});
