/** A copy on a disk of 32 MiB, in a user and mount namespace of its own: as an ordinary user may have one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchWidth } from '../../agent/copy/fetcher.ts';

let top = '';
beforeAll(async () => {
  // Beside node_modules, where koffi is looked for.
  mkdirSync('.cache', { recursive: true });
  top = mkdtempSync(join(process.cwd(), '.cache', 'full-'));
  await build({
    entryPoints: ['test/helpers/full-disk-child.ts'],
    outfile: join(top, 'child.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    external: ['koffi'],
  });
  mkdirSync(join(top, 'disk'));
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

test('what was fetched before the disk was full is used; room that is taken already is not asked for again', () => {
  const script = 'mount -t tmpfs -o size=32m tmpfs "$1/disk" && exec "$2" "$1/child.mjs" "$1/disk"';
  const told: unknown = JSON.parse(
    execFileSync('unshare', ['-Urm', 'sh', '-c', script, 'sh', top, process.execPath], { encoding: 'utf8' }),
  );
  expect(told).toEqual([
    {
      what: 'small objects, the disk fills up',
      code: 'no-space',
      gets: expect.any(Number),
      conflicts: 0,
      right: false,
    },
    { what: 'small objects, with room', code: 'none', gets: expect.any(Number), conflicts: 0, right: true },
    { what: 'a large object, all but its last range', code: 'store-unreachable', gets: 3, conflicts: 0, right: false },
    { what: 'a large object, that has not room twice', code: 'none', gets: 1, conflicts: 0, right: true },
    {
      what: 'a version of it, for which there is no room beside the old one',
      code: 'no-space',
      gets: 0,
      conflicts: 0,
      right: false,
    },
    { what: 'a version of it, all but its last range', code: 'store-unreachable', gets: 3, conflicts: 0, right: false },
    {
      what: 'another version, with the first ranges of the last in the stage',
      code: 'none',
      gets: 3,
      conflicts: 0,
      right: true,
    },
  ]);
  const [full, after] = Array.isArray(told) ? told : [];
  // 400 objects: at most those under way when the disk was full were asked for twice.
  expect(Number(full?.gets) + Number(after?.gets)).toBeLessThanOrEqual(400 + fetchWidth);
});
