/** What a pull that broke off had staged, when the next one has no use for it: it may be what fills the disk. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf, holeDigest } from '../../protocol/chunk/digest.ts';
import { chunkRecord } from '../../protocol/chunk/entry.ts';
import { removeStaged } from '../../protocol/pull/replica/remove-staged.ts';
import { StagedFile } from '../../protocol/pull/replica/staged-file.ts';
import { noise } from '../helpers/noise.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullStep, pull } from '../helpers/pull.ts';

let top = '';
let node = '';
let source = '';
const stage = (): string => join(node, 'state/stage');

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'left-')));
  node = join(top, 'node');
  source = join(top, 'source');
  mkdirSync(join(node, 'home'), { recursive: true });
  mkdirSync(source);
  write('a', noise(1, 50_000));
  utimesSync(source, 1e9, 1e9);
  take();
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function write(name: string, bytes: Uint8Array): void {
  writeFileSync(join(source, name), bytes);
}

function take(before: (step: PullStep) => void = () => undefined): void {
  pull(plainSnapshot(source), { node, before });
}

/** Ends a pull when all is staged. */
function breakOff(): void {
  const at = (step: PullStep): void => {
    if (step === 'prepare') throw new Error('broken off');
  };
  expect(() => take(at)).toThrow('broken off');
  expect(stagedBytes()).toBeGreaterThan(0);
}

function stagedBytes(): number {
  if (!existsSync(stage())) return 0;
  const files = readdirSync(stage(), { recursive: true, encoding: 'utf8' }).map((name) =>
    statSync(join(stage(), name)),
  );
  return files.reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
}

/** Bytes in the stage when the next pull begins to write. */
function leftAtReuse(): number {
  let left = -1;
  take((step) => {
    if (step === 'reuse') left = stagedBytes();
  });
  return left;
}

test('goes when nothing is to be done any more', () => {
  write('large', noise(2, 400_000));
  breakOff();
  rmSync(join(source, 'large'));
  utimesSync(source, 1e9, 1e9);
  const steps: PullStep[] = [];
  take((step) => void steps.push(step));
  expect(steps).toContain('settle');
  expect(existsSync(stage())).toBe(false);
});

test('goes before anything else is staged, a new directory with all that is in it too', () => {
  write('large', noise(2, 400_000));
  mkdirSync(join(source, 'd/e'), { recursive: true });
  write('d/e/f', noise(3, 300_000));
  breakOff();
  rmSync(join(source, 'large'));
  rmSync(join(source, 'd'), { recursive: true });
  write('small', noise(4, 1000));
  expect(leftAtReuse()).toBeLessThan(200);
  expect(readFileSync(join(node, 'home/work/small')).equals(noise(4, 1000))).toBe(true);
});

test('stays as far as it is wanted still', () => {
  write('large', noise(2, 400_000));
  write('other', noise(5, 200_000));
  breakOff();
  rmSync(join(source, 'other'));
  const left = leftAtReuse();
  expect([left >= 400_000, left < 401_000]).toEqual([true, true]);
  expect(readFileSync(join(node, 'home/work/large')).equals(noise(2, 400_000))).toBe(true);
});

/** Other bytes under the same name, size, mode and mtime: as package archives have them from one version to the next. */
test.each([
  ['the root is new', ''],
  ['a directory is new', 'd/'],
])('is not taken for a file that only its bytes tell apart: %s', (_, prefix) => {
  if (prefix === '') rmSync(node, { recursive: true });
  mkdirSync(join(node, 'home'), { recursive: true });
  mkdirSync(join(source, prefix), { recursive: true });
  const version = (seed: number): Buffer => {
    write(`${prefix}package.json`, noise(seed, 50_000));
    utimesSync(join(source, `${prefix}package.json`), 4.99e8, 4.99e8);
    return noise(seed, 50_000);
  };
  version(6);
  breakOff();
  const bytes = version(7);
  take();
  expect(readFileSync(join(node, `home/work/${prefix}package.json`)).equals(bytes)).toBe(true);
});

test('nor when the pull that finds that out is broken off too', () => {
  rmSync(node, { recursive: true });
  mkdirSync(join(node, 'home'), { recursive: true });
  write('b', noise(8, 50_000));
  write('c', noise(9, 50_000));
  const dates = (): void => {
    for (const name of ['b', 'c']) utimesSync(join(source, name), 4.99e8, 4.99e8);
  };
  dates();
  breakOff();
  write('b', noise(10, 50_000));
  write('c', noise(11, 50_000));
  dates();
  const atPack = (step: PullStep): void => {
    if (step === 'pack') throw new Error('broken off');
  };
  expect(() => take(atPack)).toThrow('broken off');
  take();
  expect(readFileSync(join(node, 'home/work/b')).equals(noise(10, 50_000))).toBe(true);
  expect(readFileSync(join(node, 'home/work/c')).equals(noise(11, 50_000))).toBe(true);
});

test('a hole shows nothing of what was there', () => {
  const where = join(top, 'staged');
  const [data, old] = [noise(12, 1000), noise(13, 1000)];
  writeFileSync(where, Buffer.concat([data, old, data]));
  utimesSync(where, 4.99e8, 4.99e8);
  const record = chunkRecord(digestOf(data), 1000);
  const content = `${record}${chunkRecord(holeDigest, 1000)}${record}`;
  const mode = statSync(where).mode & 0o7777;
  const entry = { kind: 'file', name: 'x', mode, mtimeSec: 499_000_000, mtimeNsec: 0, size: 3000, content } as const;
  const file = new StagedFile(Buffer.from(where), entry);
  expect(file.resume(false)).toEqual([0, 2]);
  for (const offset of [0, 2000]) file.write(data, offset);
  expect(readFileSync(where).equals(Buffer.concat([data, Buffer.alloc(1000), data]))).toBe(true);
});

test('a symlink to nothing goes like anything else, and makes room for a file', () => {
  const where = Buffer.from(join(top, 'staged'));
  symlinkSync('nowhere', where);
  removeStaged(where);
  expect(lstatSync(where, { throwIfNoEntry: false })).toBeUndefined();
  symlinkSync('nowhere', where);
  const bytes = noise(14, 1000);
  const content = chunkRecord(digestOf(bytes), 1000);
  const entry = { kind: 'file', name: 'x', mode: 0o644, mtimeSec: 1, mtimeNsec: 0, size: 1000, content } as const;
  const file = new StagedFile(where, entry);
  expect(file.resume(false)).toEqual([0]);
  file.write(bytes, 0);
  expect(readFileSync(where).equals(bytes)).toBe(true);
});
