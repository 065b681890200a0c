/** The built program as a package installs it: a file that runs by itself. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('dist/tow.js runs by its first line', () => {
  const { status, stdout } = spawnSync('dist/tow.js', ['--help'], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, expect.stringContaining('usage: tow COMMAND')]);
});
