import { expect, it } from 'vitest';
import { parseConfig } from '../../../../../protocol/pull/source/ignore/config-file.ts';

const read = (text: string): Record<string, string | undefined> =>
  Object.fromEntries(parseConfig(text).settings.map(({ name, value }) => [name, value]));

it.each<[text: string, settings: Record<string, string | undefined>]>([
  ['[core]\nexcludesFile = ~/x', { 'core.excludesfile': '~/x' }],
  ['[CORE] ExcludesFile=a b\t \n', { 'core.excludesfile': 'a b' }],
  ['[core]\n\tignoreCase\n', { 'core.ignorecase': undefined }],
  ['[core]\nx =\n', { 'core.x': '' }],
  ['# c\n; d\n[core] # e\nx = a # b\ny = "a # b" ; c', { 'core.x': 'a', 'core.y': 'a # b' }],
  ['[core]\nx = " a "b" c "', { 'core.x': ' a b c ' }],
  ['[core]\nx = a\\\n  b\ny = \\t\\\\\\"\\n', { 'core.x': 'a  b', 'core.y': '\t\\"\n' }],
  ['[core]\r\nx = a\r\n', { 'core.x': 'a' }],
  ['\xef\xbb\xbf[core]\nx = \xe9', { 'core.x': '\xe9' }],
  ['[includeIf "gitdir:~/A.b/"]\npath = p', { 'includeif.gitdir:~/A.b/.path': 'p' }],
  ['[a "b\\"c\\\\"]\nx = y', { 'a.b"c\\.x': 'y' }],
  ['[a.B]\nx = y', { 'a.b.x': 'y' }],
])('%j', (text, settings) => {
  expect(read(text)).toEqual(settings);
  expect(parseConfig(text).brokenLine).toBeUndefined();
});

it.each([
  ['x = y', 1],
  ['[core\nx = y', 1],
  ['[core]\nx = y\n1x = z', 3],
  ['[core]\nx = "y\n', 2],
  ['[core]\nx = \\q\n', 2],
  ['[core]\nx y\n', 2],
])('%j is broken in line %i', (text, line) => {
  expect(parseConfig(text).brokenLine).toBe(line);
});
