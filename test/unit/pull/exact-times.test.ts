import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { timesAreExact } from '../../../protocol/pull/replica/exact-times.ts';
import { hasMountInside } from '../../../protocol/pull/replica/mount-table.ts';
import { plainSnapshot } from '../../helpers/plain-source.ts';
import { pull } from '../../helpers/pull.ts';

let top = '';
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'exact-'));
});
afterEach(() => rmSync(top, { recursive: true }));

test('where times are said to be exact, each change after a look has a ctime of its own', () => {
  const exact = timesAreExact(join(top, 'root'), top);
  const file = join(top, 'file');
  writeFileSync(file, 'a');
  let same = 0;
  for (let change = 0; change < 2000; change += 1) {
    const before = lstatSync(file, { bigint: true }).ctimeNs;
    writeFileSync(file, 'b');
    utimesSync(file, 1_600_000_000, 1_600_000_000);
    if (lstatSync(file, { bigint: true }).ctimeNs === before) same += 1;
  }
  // Where they are not, or the machine is too busy to tell, nothing is promised.
  if (exact) expect(same).toBe(0);
});

test('leaves nothing behind, and nothing that is there is touched', () => {
  timesAreExact(join(top, 'root'), top);
  expect(readdirSync(top)).toEqual([]);
  writeFileSync(join(top, '.clock'), 'theirs');
  expect(timesAreExact(join(top, 'root'), top)).toBe(false);
  expect(lstatSync(join(top, '.clock')).size).toBe(6);
});

test('where it cannot be tried, or something else is mounted inside, nothing is said', () => {
  expect(timesAreExact(top, join(top, 'missing'))).toBe(false);
  expect(timesAreExact('/', top)).toBe(false);
  expect(hasMountInside('/')).toBe(true);
  expect(hasMountInside(top)).toBe(false);
});

test('an edit right after a sync, as long and with its time put back, is seen by the next one', () => {
  const [source, node] = [join(top, 'src'), join(top, 'node')];
  mkdirSync(source);
  mkdirSync(join(node, 'home'), { recursive: true });
  const [here, there] = [join(source, 'file'), join(node, 'home/work/file')];
  for (let round = 0; round < 50; round += 1) {
    writeFileSync(here, `version ${10 + round}`);
    utimesSync(here, 1_600_000_000, 1_600_000_000 + round);
    expect(pull(plainSnapshot(source), { node }).conflicts).toEqual([]);
    writeFileSync(there, `theirs. ${10 + round}`);
    utimesSync(there, 1_600_000_000, 1_600_000_000 + round);
    expect(pull(plainSnapshot(source), { node }).conflicts).toHaveLength(1);
  }
});
