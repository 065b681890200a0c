/** Which directories of the machine a local node's root directory shows entry by entry, and what it does not show. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { privatePaths } from '../../../controller/cluster/local/private-root.ts';

let top = '';
/** `top` and the directories above it. */
let above: readonly string[] = [];

beforeAll(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'private-')));
  for (let at = top; at !== '/'; at = dirname(at)) above = [at, ...above];
  for (const path of ['there/set', 'home/node', 'crowd']) mkdirSync(join(top, path), { recursive: true });
  for (let n = 0; n < 501; n += 1) writeFileSync(join(top, 'crowd', String(n)), '');
  symlinkSync('there', join(top, 'link'));
  symlinkSync('/usr', join(top, 'system'));
});
afterAll(() => rmSync(top, { recursive: true }));

const pathsOf = async (...destinations: readonly string[]) => {
  const { open, own } = await privatePaths(
    destinations.map((dest) => (dest.startsWith('/') ? dest : join(top, dest))),
    [join(top, 'home/node')],
  );
  const beyond = (paths: readonly string[]): string[] => paths.filter((path) => !above.includes(path)).sort();
  return { open: beyond(open), own: beyond(own) };
};
const below = (...paths: readonly string[]): string[] => paths.map((path) => join(top, path));

test('directories above a destination that are there are opened, it and those that are not are the node’s', async () => {
  expect(await pathsOf('there/set')).toEqual({ open: below('there'), own: below('there', 'there/set') });
  expect(await pathsOf('new/deep')).toEqual({ open: [], own: below('new', 'new/deep') });
  expect(await pathsOf('/no-such-directory/x')).toEqual({
    open: [],
    own: ['/no-such-directory', '/no-such-directory/x'],
  });
});

test('a symlink above a destination is followed, a destination that is one is not', async () => {
  expect(await pathsOf('link/set')).toEqual({ open: below('there'), own: below('there', 'there/set') });
  expect(await pathsOf('link')).toEqual({ open: [], own: below('link') });
});

test.each(['/etc', '/usr/bin/x', '/home', 'system/x', 'home', 'home/node', 'home/node/x', 'crowd/x'])(
  'for %s nothing is hidden',
  async (dest) => expect(await pathsOf(dest)).toEqual({ open: [], own: [] }),
);
