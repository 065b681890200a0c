import { expect, it } from 'vitest';
import { compileGlob } from '../../../../../protocol/pull/source/ignore/glob.ts';

const matches = (pattern: string, text: string, ignoreCase = false): boolean =>
  compileGlob(pattern, { path: true, ignoreCase })?.matches(text) ?? false;

it.each([
  ['a', 'a', true],
  ['a', 'ab', false],
  ['?', 'a', true],
  ['?', '/', false],
  ['*', '', true],
  ['*', 'a/b', false],
  ['a*', 'a/b', false],
  ['**', 'a/b', true],
  ['a/**', 'a/b/c', true],
  ['a/**', 'a', false],
  ['**/a', 'a', true],
  ['**/a', 'b/c/a', true],
  ['**/a', 'ba', false],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a**b', 'a/b', false],
  ['x/a**', 'x/a/b', false],
  ['**\\/a', 'a', false],
  ['**\\/a', 'b/a', true],
  ['*/b', 'a/b', true],
  ['*/b', 'a/a/b', false],
  ['[ab]', 'b', true],
  ['[!ab]', 'b', false],
  ['[^ab]', 'c', true],
  ['[!a]', '/', false],
  ['[]a]', ']', true],
  ['[!]a]', 'b', true],
  ['[a-c]', 'b', true],
  ['[a-]', '-', true],
  ['[-a]', '-', true],
  ['[z-a]', 'm', false],
  ['[\\]]', ']', true],
  ['[a-\\c]', 'b', true],
  ['[[:digit:]x]', '7', true],
  ['[[:digit:]-z]', '-', true],
  ['[[:nope:]]', 'n', false],
  ['[[:digit]', ':', true],
  ['[[:x]', '[', true],
  ['[a', '[a', false],
  ['a\\', 'a\\', false],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['[\x80-\xff]', '\xc3', true],
])('%j on %j: %s', (pattern, text, expected) => {
  expect(matches(pattern, text)).toBe(expected);
});

it.each([
  ['MAKE*', 'makefile', true],
  ['\\MAKE', 'make', false],
  ['[M]ake', 'make', false],
  ['[L-N]ake', 'make', true],
  ['[[:upper:]]ake', 'make', true],
])('without case, %j on %j: %s', (pattern, text, expected) => {
  expect(matches(pattern, text, true)).toBe(expected);
});

it.each(['**/a/', '*a', '*?', '?*a*'])('takes no longer for many of %j', (unit) => {
  const pattern = `${unit.repeat(400)}[b]`;
  const started = performance.now();
  expect(matches(pattern, 'a/'.repeat(1000))).toBe(false);
  expect(matches(pattern, 'a'.repeat(2000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(5000);
});
