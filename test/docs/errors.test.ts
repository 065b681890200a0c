/** The documents name every error and every exit code, and no others. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { exitCodeOfError, exitCodes } from '../../controller/cli/exit-code.ts';
import { commandSpecs } from '../../controller/cli/options.ts';
import { errorCodes } from '../../protocol/base/errors.ts';

const cli = readFileSync('docs/cli.md', 'utf8');

test('docs/errors.md has a heading for each code', () => {
  const headings = [...readFileSync('docs/errors.md', 'utf8').matchAll(/^## (\S+)$/gm)].map(([, code]) => code);
  expect(headings).toEqual([...errorCodes]);
});

test('docs/cli.md has a row for each exit code, and every error has one from 240 to 254', () => {
  const rows = [...cli.matchAll(/^\| (2[45]\d) \| (\w+)/gm)].map(([, code, kind]) => [kind, Number(code)]);
  expect(Object.fromEntries(rows)).toEqual(exitCodes);
  for (const code of errorCodes) expect(exitCodeOfError(code)).toBeGreaterThanOrEqual(240);
});

test('docs/cli.md names every command and every option of tasks and syncs', () => {
  for (const { words, options } of commandSpecs) {
    expect(cli, words.join(' ')).toContain(words.at(-1));
    for (const { name, short } of options)
      expect(cli, `${words.join(' ')} --${name}`).toMatch(new RegExp(`--${name}\\b|-${short ?? name}\\b`));
  }
});
