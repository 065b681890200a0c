/**
 * A directory that the node does not have is put in place whole. What turns up at its path meanwhile is not moved away
 * with all that is in it, and a node that stops half way says so by what is left in its stage.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Journal, readJournal } from '../../protocol/pull/replica/journal.ts';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { recoverRoot } from '../../protocol/pull/replica/recover.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullStep, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';
let work = '';

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'newdir-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  work = join(node, 'home/work');
  write(source, 'here', 'from the first pull');
  mkdirSync(join(node, 'home'), { recursive: true });
  pull(plainSnapshot(source), { node });
  write(source, 'd/a', 'a of the source');
  write(source, 'd/b', 'b of the source');
  write(source, 'd/sub/x', 'x of the source');
  write(source, 'd/sub/deep/y', 'y of the source');
  chmodSync(join(source, 'd/sub/deep'), 0o555);
  chmodSync(join(source, 'd/sub'), 0o555);
});
afterEach(() => {
  for (const at of [source, work])
    for (const path of ['d/sub', 'd/sub/deep']) quietly(() => chmodSync(join(at, path), 0o755));
  rmSync(top, { recursive: true, force: true });
});

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // It is not there.
  }
}

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function keptTexts(): string[] {
  return new KeptVersions(join(node, 'conflicts'))
    .list()
    .map(({ data }) => readFileSync(data, 'utf8'))
    .sort();
}

const atSwitch = (work: () => void) => (step: PullStep) => {
  if (step === 'switch') work();
};

function expectSettled(): void {
  const next = pull(plainSnapshot(source), { node });
  expect([next.fetchedBytes, next.placed, next.removed, next.conflicts, next.problems]).toEqual([0, 0, 0, [], []]);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
}

/** The node stops with the journal written; where the new directory is staged. */
function stopBeforeSwitch(): string {
  expect(() =>
    pull(plainSnapshot(source), {
      node,
      before: atSwitch(() => {
        throw new Error('stopped');
      }),
    }),
  ).toThrow('stopped');
  const journal = readJournal(join(node, 'state'));
  const op = journal?.ops.find((each) => each.op === 'place');
  if (journal === undefined || op?.op !== 'place') throw new Error('no place in the journal');
  return join(journal.stage, 'files', op.staged);
}

test('it comes whole, with every mode and time, in one op', () => {
  let ops: Journal['ops'] = [];
  const result = pull(plainSnapshot(source), {
    node,
    before: atSwitch(() => {
      ops = readJournal(join(node, 'state'))?.ops ?? [];
    }),
  });
  expect(ops.map((op) => (op.op === 'appear' ? op.op : `${op.op} ${op.path}`))).toEqual([
    'place d',
    'meta d',
    'meta ',
    'meta ',
  ]);
  expect(result.newDirectories.toSorted()).toEqual(['d', 'd/sub', 'd/sub/deep']);
  expectSettled();
});

test('one that turned up meanwhile keeps what is in it; only what is in the way goes to conflicts, each by itself', () => {
  const result = pull(plainSnapshot(source), {
    node,
    before: atSwitch(() => {
      write(work, 'd/a', 'a of the node');
      write(work, 'd/mine', 'of the node');
      write(work, 'd/sub/x', 'x of the node');
      write(work, 'd/sub/theirs', 'of the node too');
    }),
  });
  expect(result.conflicts.map(({ path, reason }) => `${path} ${reason}`).sort()).toEqual([
    'd/a in-the-way',
    'd/sub/x in-the-way',
  ]);
  expect(keptTexts()).toEqual(['a of the node', 'x of the node']);
  expect(readFileSync(join(work, 'd/mine'), 'utf8')).toBe('of the node');
  expect(readFileSync(join(work, 'd/sub/theirs'), 'utf8')).toBe('of the node too');
  expect(statSync(join(work, 'd/sub')).mode & 0o777).toBe(0o555);
  expectSettled();
});

test('a file or a symlink that turned up in its place goes to conflicts', () => {
  pull(plainSnapshot(source), { node, before: atSwitch(() => write(work, 'd', 'a file of the node')) });
  expect(keptTexts()).toEqual(['a file of the node']);
  expectSettled();
});

test('the node stops in the middle of going into one: what was edited before it went on is not lost', () => {
  const staged = stopBeforeSwitch();
  expect(readdirSync(staged).sort()).toEqual(['a', 'b', 'sub']);
  mkdirSync(join(work, 'd'));
  renameSync(join(staged, 'b'), join(work, 'd/b'));
  writeFileSync(join(work, 'd/b'), 'b edited on the node');
  outlastClockGrain(join(work, 'd/b'));
  recoverRoot(join(node, 'state'), new KeptVersions(join(node, 'conflicts')));
  expect(readFileSync(join(work, 'd/b'), 'utf8')).toBe('b edited on the node');
  write(source, 'd/b', 'b that moved on');
  pull(plainSnapshot(source), { node });
  expect(keptTexts()).toEqual(['b edited on the node']);
  expectSettled();
});

test('it was in place already when the node stopped: edits since are not lost', () => {
  const staged = stopBeforeSwitch();
  renameSync(staged, join(work, 'd'));
  writeFileSync(join(work, 'd/a'), 'a edited on the node');
  outlastClockGrain(join(work, 'd/a'));
  recoverRoot(join(node, 'state'), new KeptVersions(join(node, 'conflicts')));
  write(source, 'd/a', 'a that moved on');
  pull(plainSnapshot(source), { node });
  expect(keptTexts()).toEqual(['a edited on the node']);
  expectSettled();
});

test('what cannot be put in place is not ours, nor what is below its path', () => {
  rmSync(join(source, 'd'), { recursive: true, force: true });
  write(source, 'p/here', 'so that p is there');
  pull(plainSnapshot(source), { node });
  write(source, 'p/q/file', 'of the source');
  const outside = join(top, 'outside');
  write(outside, 'q/file', 'of somebody');
  const result = pull(plainSnapshot(source), {
    node,
    before: atSwitch(() => {
      renameSync(join(work, 'p'), join(work, 'away'));
      writeFileSync(join(work, 'p'), 'no directory now');
    }),
  });
  expect(result.problems.map(({ path }) => path)).toContain('p/q');
  pull(plainSnapshot(source), { node });
  expect(keptTexts()).toEqual(['no directory now']);
  rmSync(join(work, 'away'), { recursive: true });
  expectSettled();
});

test('a staging that was cut off goes on, whatever the source became meanwhile', () => {
  expect(() =>
    pull(plainSnapshot(source), {
      node,
      before: (step) => {
        if (step === 'prepare') throw new Error('stopped');
      },
    }),
  ).toThrow('stopped');
  chmodSync(join(source, 'd/sub'), 0o755);
  rmSync(join(source, 'd/sub/x'));
  mkdirSync(join(source, 'd/sub/x'));
  write(source, 'd/sub/x/z', 'in place of a file');
  chmodSync(join(source, 'd/sub'), 0o555);
  pull(plainSnapshot(source), { node });
  expectSettled();
});
