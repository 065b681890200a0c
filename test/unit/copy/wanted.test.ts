import { expect, test } from 'vitest';
import { keyPath } from '../../../agent/copy/key-path.ts';
import { Wanted } from '../../../agent/copy/wanted.ts';
import { parseRootPath } from '../../../protocol/base/root-path.ts';

function wantedOf(prefix: string, objects: Readonly<Record<string, number>>): Wanted {
  const wanted = new Wanted(prefix);
  for (const [key, size] of Object.entries(objects)) wanted.add({ key, size, version: 'v', modifiedMs: 0 });
  wanted.settle();
  return wanted;
}

test.each([
  ['a', 'file', 'a'],
  ['a/b', 'file', 'a/b'],
  ['a/', 'directory', 'a'],
  ['caf\u00e9', 'file', 'caf\xc3\xa9'],
  ['.hidden', 'file', '.hidden'],
  ['...', 'file', '...'],
  ['a b', 'file', 'a b'],
  ['\\', 'file', '\\'],
  ['l'.repeat(255), 'file', 'l'.repeat(255)],
])('the key %j is a %s', (key, type, path) => {
  expect(keyPath(key)).toEqual({ type, path });
});

test.each([
  '/a',
  'a//b',
  '//',
  '..',
  '../a',
  'a/../b',
  'a/..',
  './a',
  'a/.',
  'a/./b',
  'a\0b',
  'a\nb',
  'a\x1bb',
  'a\x7fb',
  'l'.repeat(256),
  '\u00e9'.repeat(128),
  `${'a/'.repeat(2100)}b`,
])('the key %j is no path', (key) => {
  expect(keyPath(key).type).toBe('unsafe');
});

test('directories above objects are there, and what lies beside them', () => {
  const wanted = wantedOf('p/', { 'p/a/b/c': 1, 'p/a/b/d': 1, 'p/e': 0, 'p/f/': 0 });
  expect([...wanted.files.keys()]).toEqual(['a/b/c', 'a/b/d', 'e']);
  expect([...wanted.directories].sort()).toEqual(['a', 'a/b', 'f']);
  expect(wanted.problems).toEqual([]);
});

test('an object beside a directory of its name gives way: a problem, unless it has no bytes', () => {
  const wanted = wantedOf('', { a: 5, 'a/b': 1, c: 0, 'c/d': 1, e: 0, 'e/': 0, 'f/': 3, 'f/g': 1 });
  expect([...wanted.files.keys()]).toEqual(['a/b', 'c/d', 'f/g']);
  expect(wanted.problems.map(({ path }) => path).sort()).toEqual(['a', 'f']);
});

test('the marker of the prefix is no entry of it', () => {
  const wanted = wantedOf('p/', { 'p/': 0 });
  expect([wanted.marked, wanted.files.size, wanted.directories.size, wanted.problems.length]).toEqual([true, 0, 0, 0]);
});

test('what is told of unsafe keys can be told to a controller: its path is one, the key is in the message', () => {
  const wanted = wantedOf('', { 'a//b': 1, '../x': 1, '/etc/passwd': 1, 'caf\u00e9/..': 1 });
  expect(wanted.files.size).toBe(0);
  for (const { path, code, message } of wanted.problems) {
    expect(() => parseRootPath(path)).not.toThrow();
    expect(code).toBe('unsafe-key');
    expect(message).toMatch(/^the key "/);
  }
  expect(wanted.problems.map(({ message }) => message.includes('../x'))).toEqual([false, true, false, false]);
});

test('a key that is no path is named by its beginning and its end, as it is written', () => {
  const { problems } = wantedOf('', { [`${'n'.repeat(990)}-end`]: 1, 'ü//b': 1 });
  expect(problems.map(({ message }) => message.length < 200)).toEqual([true, true]);
  expect(problems[0]?.message).toMatch(/^the key "n+\.\.\.n+-end" cannot be a path: a name in it has 994 bytes$/);
  expect(problems[1]?.message).toContain('"\xc3\xbc//b"');
});
