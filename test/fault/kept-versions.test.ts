/** Many versions kept by one switch, which is killed before each change that it makes to the disk, and run again. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { DyingDisk } from '../helpers/dying-disk.ts';

const names = Array.from({ length: 20 }, (_, k) => `file-${k}`);
let top = '';
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'kept-')));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const idOf = (name: string): string => `j-${name}`;
const metaOf = (path: string) => ({ root: join(top, 'root'), dest: '~/root', path, reason: 'changed' as const });
const kept = (): KeptVersions => new KeptVersions(join(top, 'conflicts'));

function fill(): void {
  rmSync(top, { recursive: true, force: true });
  mkdirSync(join(top, 'root'), { recursive: true });
  for (const name of names) writeFileSync(join(top, 'root', name), name);
}

/** As a switch does: what it foresees is announced, which is one more than is there to be kept. */
function run(versions: KeptVersions): void {
  const foreseen = [...names.filter((name) => existsSync(join(top, 'root', name))), 'never'];
  versions.announce(foreseen.map((path) => ({ id: idOf(path), meta: metaOf(path) })));
  for (const name of names)
    if (existsSync(join(top, 'root', name))) versions.keep(idOf(name), metaOf(name), join(top, 'root', name), '');
  versions.takeBack([...names, 'never'].map(idOf));
}

function expectAll(where: string): void {
  const found = kept().list();
  expect(found.map(({ path, reason, dest }) => `${path} ${reason} ${dest}`).sort(), where).toEqual(
    names.map((name) => `${name} changed ~/root`).sort(),
  );
  for (const { data, path } of found) expect(readFileSync(data, 'utf8'), where).toBe(path);
  expect(readdirSync(join(top, 'conflicts')).sort(), where).toEqual(names.map(idOf).sort());
}

test('are all there, as they were described, wherever it was killed', () => {
  fill();
  const all = new DyingDisk(() => true);
  run(kept());
  all[Symbol.dispose]();
  expectAll('never killed');
  expect(all.made.length).toBeGreaterThan(4 * names.length);
  // Every third: between them they are each kind of change.
  for (let at = 0; at < all.made.length; at += 3) {
    fill();
    const disk = new DyingDisk((_, index) => index < at);
    expect(() => run(kept())).toThrow();
    disk[Symbol.dispose]();
    run(kept());
    expectAll(`killed before change ${at}`);
  }
});

test('cost one barrier, not one each', () => {
  fill();
  using disk = new DyingDisk(() => true);
  run(kept());
  // A file that is replaced durably has its directory opened for that, too.
  expect(disk.made.filter(({ call, args }) => call === 'openSync' && args[1] === 'r').length).toBe(1);
});
