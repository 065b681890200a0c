/** A directory that the source renamed is renamed on the node, whole, if nothing else is in it; and nothing is lost on the way. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
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
import type { Op } from '../../protocol/pull/replica/op.ts';
import { recoverRoot } from '../../protocol/pull/replica/recover.ts';
import { runSwitch } from '../../protocol/pull/replica/switch.ts';
import { noise } from '../helpers/noise.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';
import { WatchedNode, watchedPull } from '../helpers/watched-pull.ts';

let top = '';
let source = '';
let node = '';
let work = '';
let held: WatchedNode;

beforeEach(async () => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'movedtree-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  work = join(node, 'home/work');
  held = new WatchedNode();
  mkdirSync(join(node, 'home'), { recursive: true });
  for (const [path, seed] of Object.entries({ 'old/a': 1, 'old/deep/b': 2, 'old/deep/er/c': 3, 'stays/d': 4, top: 5 }))
    write(source, path, seed);
  chmodSync(join(source, 'old/deep/er'), 0o555);
  await next();
  // Prints that are too young are hashed once more, and are not taken along before.
  outlastClockGrain(join(work, 'top'));
  await next();
});
afterEach(() => {
  held[Symbol.dispose]();
  for (const at of [source, work])
    for (const path of ['old', 'new', 'stays/new']) quietly(() => chmodSync(join(at, path, 'deep/er'), 0o755));
  rmSync(top, { recursive: true, force: true });
});

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // It is not there.
  }
}

function write(root: string, path: string, seed: number): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), noise(seed, 30_000));
}

/** A pull with a delta along. `before` the switch, when its journal is written. */
async function next(beforeSwitch: (ops: readonly Op[]) => void = () => undefined): ReturnType<typeof watchedPull> {
  const before = (): void => beforeSwitch(readJournal(join(node, 'state'))?.ops ?? []);
  return await watchedPull(plainSnapshot(source), { node }, held, before);
}

const names = (ops: readonly Op[]): string[] => ops.map((op) => (op.op === 'appear' ? op.op : `${op.op} ${op.path}`));
const inode = (path: string): number => statSync(join(work, path)).ino;

async function expectSettled(): Promise<void> {
  const again = await next();
  expect([again.placed, again.removed, again.conflicts, again.problems]).toEqual([0, 0, [], []]);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
}

function recover(): void {
  recoverRoot(join(node, 'state'), new KeptVersions(join(node, 'conflicts')));
  held[Symbol.dispose]();
  held = new WatchedNode();
}

test.each(['new', 'stays/new'])('in one op, to %s: the same inodes, modes and times', async (to) => {
  const before = [inode('old'), inode('old/a'), inode('old/deep/er/c')];
  renameSync(join(source, 'old'), join(source, to));
  let ops: readonly Op[] = [];
  const result = await next((each) => void (ops = each));
  expect(names(ops).filter((name) => !name.startsWith('meta'))).toEqual([`moveTree ${to}`]);
  expect([inode(to), inode(`${to}/a`), inode(`${to}/deep/er/c`)]).toEqual(before);
  expect([result.placed, result.reusedBytes, result.pushedBytes, result.conflicts]).toEqual([3, 0, 0, []]);
  expect(existsSync(join(work, 'old'))).toBe(false);
  await expectSettled();
});

test('what the node has put into it stays where it is, with the directories it is in', async () => {
  writeFileSync(join(work, 'old/deep/mine'), 'of the node');
  renameSync(join(source, 'old'), join(source, 'new'));
  const result = await next();
  expect(result.conflicts).toEqual([]);
  expect(readFileSync(join(work, 'old/deep/mine'), 'utf8')).toBe('of the node');
  expect(existsSync(join(work, 'old/a'))).toBe(false);
  await expectSettled();
});

test('what the node puts into it between plan and switch stays, too', async () => {
  renameSync(join(source, 'old'), join(source, 'new'));
  const before = [inode('old/a'), inode('old/deep/b')];
  const result = await next((ops) => {
    expect(names(ops)).toContain('moveTree new');
    writeFileSync(join(work, 'old/deep/mine'), 'of the node');
  });
  expect([result.conflicts, result.problems]).toEqual([[], []]);
  expect(readFileSync(join(work, 'old/deep/mine'), 'utf8')).toBe('of the node');
  expect([inode('new/a'), inode('new/deep/b')]).toEqual(before);
  expect(existsSync(join(work, 'old/deep/er'))).toBe(false);
  await expectSettled();
});

test('a file in it that the node edited is kept, before the plan and after it', async () => {
  appendFileSync(join(work, 'old/a'), ' edited');
  renameSync(join(source, 'old'), join(source, 'new'));
  await next(() => appendFileSync(join(work, 'stays/d'), ' edited too'));
  const kept = new KeptVersions(join(node, 'conflicts')).list();
  expect(kept.map(({ data }) => readFileSync(data).length)).toEqual([30_007]);
  renameSync(join(source, 'new'), join(source, 'newer'));
  await next((ops) => {
    if (names(ops).includes('moveTree newer')) appendFileSync(join(work, 'new/deep/b'), ' late');
  });
  write(source, 'newer/deep/b', 9);
  write(source, 'stays/d', 10);
  await next();
  const sizes = new KeptVersions(join(node, 'conflicts')).list().map(({ data }) => readFileSync(data).length);
  expect(sizes.toSorted((a, b) => a - b)).toEqual([30_005, 30_007, 30_011]);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
});

test('something that turned up at its new place goes to conflicts', async () => {
  renameSync(join(source, 'old'), join(source, 'new'));
  await next(() => {
    mkdirSync(join(work, 'new'));
    writeFileSync(join(work, 'new/theirs'), 'of the node');
  });
  const [kept] = new KeptVersions(join(node, 'conflicts')).list();
  expect(readFileSync(join(kept?.data ?? '', 'theirs'), 'utf8')).toBe('of the node');
  await expectSettled();
});

test.each([0, 1, 2])('stopped %s ops into the switch, and rolled forward', async (done) => {
  renameSync(join(source, 'old'), join(source, 'new'));
  const stopped = next(() => {
    const journal = readJournal(join(node, 'state'));
    if (journal === undefined) throw new Error('no journal');
    runSwitch({ ...journal, ops: journal.ops.slice(0, done) }, new KeptVersions(join(node, 'conflicts')));
    throw new Error('stopped');
  });
  await expect(stopped).rejects.toThrow('stopped');
  if (done === 0) writeFileSync(join(work, 'old/mine'), 'of the node');
  else appendFileSync(join(work, 'new/a'), ' edited');
  outlastClockGrain(join(work, 'top'));
  recover();
  if (done === 0) expect(readFileSync(join(work, 'old/mine'), 'utf8')).toBe('of the node');
  // An edit on the node is no reason to lose it: it is the source that moved on.
  write(source, 'new/a', 11);
  pull(plainSnapshot(source), { node });
  const kept = new KeptVersions(join(node, 'conflicts')).list().map(({ data }) => readFileSync(data).length);
  expect(kept).toEqual(done === 0 ? [] : [30_007]);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
});

test('stopped while its files were moved one by one, the old directory gone already: modes are set all the same', async () => {
  renameSync(join(source, 'old'), join(source, 'new'));
  const stopped = next(() => {
    // All but the last steps of a move file by file.
    for (const directory of ['new', 'new/deep', 'new/deep/er']) mkdirSync(join(work, directory));
    chmodSync(join(work, 'old/deep/er'), 0o755);
    for (const file of ['a', 'deep/b', 'deep/er/c']) renameSync(join(work, 'old', file), join(work, 'new', file));
    rmSync(join(work, 'old'), { recursive: true });
    throw new Error('stopped');
  });
  await expect(stopped).rejects.toThrow('stopped');
  recover();
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
});

test('moved before the node stopped, and another one is at the old path since', async () => {
  renameSync(join(source, 'old'), join(source, 'new'));
  const stopped = next(() => {
    renameSync(join(work, 'old'), join(work, 'new'));
    write(work, 'old/mine', 30);
    throw new Error('stopped');
  });
  await expect(stopped).rejects.toThrow('stopped');
  recover();
  expect(readFileSync(join(work, 'old/mine')).equals(noise(30, 30_000))).toBe(true);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
  expect(pull(plainSnapshot(source), { node })).toMatchObject({ placed: 0, fetchedBytes: 0 });
});

test('removed by the node, which made another directory at the new path: what is missing is said, and comes again', async () => {
  renameSync(join(source, 'old'), join(source, 'new'));
  const result = await next(() => {
    chmodSync(join(work, 'old/deep/er'), 0o755);
    rmSync(join(work, 'old'), { recursive: true });
    write(work, 'new/mine', 31);
  });
  expect(result.problems.map(({ path }) => path).sort()).toEqual(['new/a', 'new/deep/b', 'new/deep/er/c']);
  pull(plainSnapshot(source), { node });
  expect(readFileSync(join(work, 'new/mine')).equals(noise(31, 30_000))).toBe(true);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
});

test('one of several that were renamed into one another', async () => {
  write(source, 'x/y/f', 20);
  write(source, 'z/g', 21);
  await next();
  renameSync(join(source, 'x/y'), join(source, 'z/y'));
  renameSync(join(source, 'z'), join(source, 'w'));
  rmSync(join(source, 'x'), { recursive: true });
  const { conflicts, problems } = await next();
  expect([conflicts, problems]).toEqual([[], []]);
  expect([existsSync(join(work, 'x')), existsSync(join(work, 'z'))]).toEqual([false, false]);
  await expectSettled();
});

test('out of a directory that goes', async () => {
  write(source, 'gone/in/f', 22);
  write(source, 'gone/other', 23);
  await next();
  outlastClockGrain(join(work, 'top'));
  await next();
  renameSync(join(source, 'gone/in'), join(source, 'saved'));
  rmSync(join(source, 'gone'), { recursive: true });
  let ops: readonly Op[] = [];
  await next((each) => void (ops = each));
  expect(names(ops)).toContain('moveTree saved');
  expect(existsSync(join(work, 'gone'))).toBe(false);
  await expectSettled();
});
