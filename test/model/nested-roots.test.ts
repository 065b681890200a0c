/** Roots inside roots: each path belongs to one of them, and no sync undoes another's. */
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { noise } from '../helpers/noise.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullSetup, pull } from '../helpers/pull.ts';

let top = '';
let node = '';

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'nest-')));
  node = join(top, 'node');
  mkdirSync(join(node, 'home'), { recursive: true });
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), text);
}

const text = (path: string): string => readFileSync(join(node, 'home', path), 'utf8');
const kept = (): number => new KeptVersions(join(node, 'conflicts')).list().length;

/** Syncs `outer` to ~/a. */
const outer = (setup: Partial<PullSetup> = {}): ReturnType<typeof pull> =>
  pull(plainSnapshot(join(top, 'outer')), { node, key: 'outer', dest: '~/a', allowDelete: false, ...setup });
/** Syncs `inner` to ~/a/b. */
const inner = (setup: Partial<PullSetup> = {}): ReturnType<typeof pull> =>
  pull(plainSnapshot(join(top, 'inner')), { node, key: 'inner', dest: '~/a/b', allowDelete: false, ...setup });

/** Syncs both, as one task does: nothing moves, nothing is kept. */
function expectStill(): void {
  const before = kept();
  for (const { placed, removed, fetchedBytes, conflicts } of [outer({ others: ['~/a/b'] }), inner({ others: ['~/a'] })])
    expect([placed, removed, fetchedBytes, conflicts]).toEqual([0, 0, 0, []]);
  expect(kept()).toBe(before);
}

test('in one task, the inner root wins where both sources have something, and a second sync moves nothing', () => {
  write('outer/x', 'outer');
  write('outer/b/same', 'outer');
  write('outer/b/only', 'outer');
  write('inner/same', 'inner');
  expect(outer({ others: ['~/a/b'] }).leftOut).toEqual(['b']);
  expect(readdirSync(join(node, 'home/a'))).toEqual(['x']);
  expect(inner({ others: ['~/a'] }).conflicts).toEqual([]);
  expect([text('a/x'), text('a/b/same'), readdirSync(join(node, 'home/a/b'))]).toEqual(['outer', 'inner', ['same']]);
  expectStill();
});

test('where the outer source has nothing, the inner root is neither a conflict nor deleted', () => {
  write('outer/x', '1');
  write('inner/y', '2');
  outer({ others: ['~/a/b'] });
  inner();
  expectStill();
  write('outer/x', '11');
  write('outer/new', '1');
  expect(outer({ others: ['~/a/b'] })).toMatchObject({ conflicts: [], leftOut: [], placed: 2 });
  rmSync(join(top, 'outer/new'));
  expect(outer()).toMatchObject({ conflicts: [], removed: 1 });
  expect(text('a/b/y')).toBe('2');
});

test('in two tasks that take turns: what the outer had there is kept once, then nothing moves any more', () => {
  write('outer/x', 'outer');
  write('outer/b/same', 'outer');
  write('outer/b/only', 'outer');
  write('inner/same', 'inner');
  outer();
  expect(inner().conflicts.map(({ path, reason }) => [path, reason])).toEqual([['same', 'in-the-way']]);
  for (let turn = 0; turn < 3; turn += 1) {
    expect(outer()).toMatchObject({ conflicts: [], placed: 0, removed: 0, leftOut: ['b'] });
    expect(inner()).toMatchObject({ conflicts: [], placed: 0, removed: 0 });
  }
  expect([text('a/b/same'), text('a/b/only'), kept()]).toEqual(['inner', 'outer', 1]);
  write('outer/b/same', 'outer again');
  write('outer/x', 'edit');
  expect(outer()).toMatchObject({ conflicts: [], placed: 1 });
  expect([text('a/x'), text('a/b/same')]).toEqual(['edit', 'inner']);
});

test('an outer source that loses the place of the inner root takes nothing of it away', () => {
  write('outer/x', 'outer');
  write('outer/b/same', 'outer');
  write('inner/same', 'inner');
  outer();
  inner();
  rmSync(join(top, 'outer/b'), { recursive: true });
  expect(outer()).toMatchObject({ conflicts: [], removed: 0, leftOut: [] });
  expect(text('a/b/same')).toBe('inner');
  expectStill();
});

test('an outer source with a file or a symlink where the inner root has a directory above it', () => {
  write('outer/x', '1');
  write('outer/deep', 'a file');
  write('inner/y', '2');
  const deep = { dest: '~/a/deep/b' };
  expect(outer({ others: ['~/a/deep/b'] }).leftOut).toEqual(['deep']);
  inner(deep);
  rmSync(join(top, 'outer/deep'));
  symlinkSync('/etc', join(top, 'outer/deep'));
  expect(outer()).toMatchObject({ leftOut: ['deep'], conflicts: [], placed: 0 });
  expect(text('a/deep/b/y')).toBe('2');
});

test('a root that is a file inside another one', () => {
  write('outer/conf', 'outer');
  write('outer/x', '1');
  write('inner', 'inner');
  const file = { dest: '~/a/conf' };
  outer({ others: ['~/a/conf'] });
  inner(file);
  expect(outer()).toMatchObject({ leftOut: ['conf'], placed: 0, conflicts: [] });
  expect(inner(file)).toMatchObject({ placed: 0, conflicts: [] });
  expect(text('a/conf')).toBe('inner');
});

test('hard links of a file that is left out are one file still, with its bytes', () => {
  const bytes = noise(3, 300_000);
  write('outer/x', '1');
  mkdirSync(join(top, 'outer/b'));
  writeFileSync(join(top, 'outer/b/first'), bytes);
  for (const name of ['second', 'third']) linkSync(join(top, 'outer/b/first'), join(top, 'outer', name));
  write('inner/y', '2');
  outer({ others: ['~/a/b'] });
  inner();
  const [second, third] = ['second', 'third'].map((name) => join(node, 'home/a', name));
  expect(readFileSync(second ?? '').equals(bytes)).toBe(true);
  expect(statSync(second ?? '').ino).toBe(statSync(third ?? '').ino);
  expectStill();
});

test('an inner root that somebody removed on the node gives its place back', () => {
  write('outer/b/same', 'outer');
  write('outer/x', '1');
  write('inner/same', 'inner');
  outer({ others: ['~/a/b'] });
  inner();
  rmSync(join(node, 'home/a/b'), { recursive: true });
  expect(outer()).toMatchObject({ leftOut: [], conflicts: [] });
  expect(text('a/b/same')).toBe('outer');
});

test('an outer root under which the inner one came first: it joins what is there', () => {
  write('outer/x', 'outer');
  write('outer/b/same', 'outer');
  write('inner/same', 'inner');
  inner();
  expect(outer()).toMatchObject({ leftOut: ['b'], conflicts: [] });
  expect([text('a/x'), text('a/b/same')]).toEqual(['outer', 'inner']);
  expectStill();
});
