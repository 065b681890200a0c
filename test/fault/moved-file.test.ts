/** A file that the source renamed is renamed on the node: nothing is fetched or copied, and nothing is lost on the way. */
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
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
import { readJournal } from '../../protocol/pull/replica/journal.ts';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { recoverRoot } from '../../protocol/pull/replica/recover.ts';
import { runSwitch } from '../../protocol/pull/replica/switch.ts';
import { noise } from '../helpers/noise.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullStep, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';
let work = '';

beforeEach(build);
afterEach(() => rmSync(top, { recursive: true, force: true }));

function build(): void {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'moved-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  work = join(node, 'home/work');
  mkdirSync(join(node, 'home'), { recursive: true });
  write('old/a', 1);
  write('old/deep/b', 2);
  write('top', 3);
  write('stays', 4);
  pull(plainSnapshot(source), { node });
}

function write(path: string, seed: number): void {
  mkdirSync(dirname(join(source, path)), { recursive: true });
  writeFileSync(join(source, path), noise(seed, 30_000));
}

const at = (step: PullStep, work: () => void) => (now: PullStep) => {
  if (now === step) work();
};

function stop(): void {
  throw new Error('stopped');
}

function expectSettled(): void {
  const next = pull(plainSnapshot(source), { node });
  expect([next.fetchedBytes, next.placed, next.removed, next.conflicts, next.problems]).toEqual([0, 0, 0, [], []]);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
}

/** Renames a directory and a file, the file to where the directory was. */
function rearrange(): void {
  renameSync(join(source, 'old'), join(source, 'new'));
  mkdirSync(join(source, 'old'));
  renameSync(join(source, 'top'), join(source, 'old/top'));
}

test('the same inodes are under other names, nothing was copied', () => {
  const inode = (path: string) => statSync(join(work, path)).ino;
  const before = [inode('old/a'), inode('old/deep/b'), inode('top')];
  rearrange();
  const result = pull(plainSnapshot(source), { node, allowDelete: false });
  expect([result.fetchedBytes, result.reusedBytes]).toEqual([0, 0]);
  expect([inode('new/a'), inode('new/deep/b'), inode('old/top')]).toEqual(before);
  expectSettled();
});

test('a source that renamed all it has is not taken for one that lost it', () => {
  for (let n = 0; n < 120; n += 1) write(`many/${n}`, 10 + n);
  pull(plainSnapshot(source), { node });
  renameSync(join(source, 'many'), join(source, 'renamed'));
  expect(pull(plainSnapshot(source), { node, allowDelete: false }).fetchedBytes).toBe(0);
  expectSettled();
});

test('a file where a directory was that its own name came out of is staged, not moved', () => {
  renameSync(join(source, 'old/a'), join(source, 'was-a'));
  rmSync(join(source, 'old'), { recursive: true });
  renameSync(join(source, 'was-a'), join(source, 'old'));
  pull(plainSnapshot(source), { node });
  expectSettled();
});

test('one with a second name, or new times, is no mere move', () => {
  linkSync(join(work, 'top'), join(node, 'home/elsewhere'));
  renameSync(join(source, 'top'), join(source, 'moved'));
  const result = pull(plainSnapshot(source), { node });
  expect(result.fetchedBytes).toBe(0);
  appendFileSync(join(node, 'home/elsewhere'), 'of the node');
  expect(readFileSync(join(work, 'moved')).equals(readFileSync(join(source, 'moved')))).toBe(true);
  expectSettled();
});

test('an edit on the node just before: kept where it is, and the next pull brings the rest', () => {
  renameSync(join(source, 'top'), join(source, 'moved'));
  const result = pull(plainSnapshot(source), {
    node,
    before: at('switch', () => appendFileSync(join(work, 'top'), 'of the node')),
  });
  expect(result.problems.map(({ path }) => path)).toEqual(['moved']);
  expect(readFileSync(join(work, 'top'), 'utf8').endsWith('of the node')).toBe(true);
  pull(plainSnapshot(source), { node });
  expect(readFileSync(join(work, 'moved')).equals(readFileSync(join(source, 'moved')))).toBe(true);
  expect(readFileSync(join(work, 'top'), 'utf8').endsWith('of the node')).toBe(true);
});

test('a file that vanished on the node just before is a problem, not a silence', () => {
  renameSync(join(source, 'top'), join(source, 'moved'));
  const result = pull(plainSnapshot(source), { node, before: at('switch', () => rmSync(join(work, 'top'))) });
  expect(result.problems.map(({ path }) => path)).toEqual(['moved']);
  pull(plainSnapshot(source), { node });
  expectSettled();
});

test('another file in its place on the node, and none where it was, is not taken for it', () => {
  renameSync(join(source, 'top'), join(source, 'moved'));
  const result = pull(plainSnapshot(source), {
    node,
    before: at('switch', () => {
      writeFileSync(join(work, 'moved'), 'of the node');
      rmSync(join(work, 'top'));
    }),
  });
  expect(result.problems.map(({ path }) => path)).toEqual(['moved']);
  pull(plainSnapshot(source), { node });
  const kept = new KeptVersions(join(node, 'conflicts')).list();
  expect(kept.map(({ data }) => readFileSync(data, 'utf8'))).toEqual(['of the node']);
  expectSettled();
});

test('the node stops after each op, and what it moved is edited before it goes on', () => {
  for (let done = 0, count = 1; done <= count; done += 1) {
    rmSync(top, { recursive: true, force: true });
    build();
    rearrange();
    expect(() => pull(plainSnapshot(source), { node, before: at('switch', stop) })).toThrow('stopped');
    const journal = readJournal(join(node, 'state'));
    if (journal === undefined) throw new Error('no journal');
    count = journal.ops.length;
    expect(journal.ops.filter(({ op }) => op === 'move').length).toBe(3);
    const kept = new KeptVersions(join(node, 'conflicts'));
    runSwitch({ ...journal, ops: journal.ops.slice(0, done) }, kept);
    const edited = existsSync(join(work, 'new/a'));
    if (edited) {
      appendFileSync(join(work, 'new/a'), 'of the node');
      outlastClockGrain(join(work, 'new/a'));
    }
    recoverRoot(join(node, 'state'), kept);
    write('new/a', 9);
    const result = pull(plainSnapshot(source), { node });
    const where = `${done} of ${count} ops done`;
    expect([result.problems, kept.list().map(({ path }) => path)], where).toEqual([[], edited ? ['new/a'] : []]);
    expect(missingOrDifferent(readTree(source), readTree(work)), where).toEqual([]);
  }
});
