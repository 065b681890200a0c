/** Files that come before there is a manifest: used as far as they are what it says, and never believed for more. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PackedFile } from '../../protocol/chunk/file-pack.ts';
import { manifestDigest } from '../../protocol/chunk/manifest.ts';
import { FilesInAdvance } from '../../protocol/pull/replica/files-in-advance.ts';
import { filePacks, packOf } from '../helpers/file-packs.ts';
import { noise } from '../helpers/noise.ts';
import { type PlainSnapshot, plainSnapshot } from '../helpers/plain-source.ts';
import { pull, sessionOptions } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';
let work = '';
const stage = (): string => join(node, 'state/stage');

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'advance-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  work = join(node, 'home/work');
  mkdirSync(join(node, 'home'), { recursive: true });
  write('top', noise(1, 3000));
  write('empty', noise(1, 0));
  write('d/large', noise(2, 1_500_000));
  write('d/sub/small', noise(3, 100));
  write('d/sub/readonly', noise(4, 100));
  symlinkSync('sub/small', join(source, 'd/link'));
  chmodSync(join(source, 'd/sub/readonly'), 0o444);
  chmodSync(join(source, 'd/sub'), 0o555);
});
afterEach(() => {
  for (const at of [source, work, join(stage(), 'tree'), join(stage(), 'ahead')])
    if (existsSync(join(at, 'd/sub'))) chmodSync(join(at, 'd/sub'), 0o755);
  rmSync(top, { recursive: true, force: true });
});

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(join(source, path)), { recursive: true });
  writeFileSync(join(source, path), bytes);
  utimesSync(join(source, path), 4.99e8, 4.99e8);
}

function begin(snapshot: PlainSnapshot): FilesInAdvance | undefined {
  return FilesInAdvance.begin(sessionOptions(snapshot, { node }));
}

function cameOf(packs: readonly Buffer[]): FilesInAdvance {
  const advance = begin(plainSnapshot(source));
  if (advance === undefined) throw new Error('no files are wanted');
  for (const pack of packs) advance.take(pack);
  return advance;
}

/** Pulls what the source is now; returns bytes that had to be fetched. */
function expectPulled(advance: FilesInAdvance | undefined): number {
  const { fetchedBytes, conflicts, problems } = pull(plainSnapshot(source), { node, advance });
  expect([conflicts, problems]).toEqual([[], []]);
  const [want, got] = [readTree(source), readTree(work)];
  expect(missingOrDifferent(want, got)).toEqual([]);
  expect([...got.keys()].filter((path) => !want.has(path))).toEqual([]);
  expect(existsSync(stage())).toBe(false);
  const next = pull(plainSnapshot(source), { node });
  expect([next.fetchedBytes, next.placed, next.removed]).toEqual([0, 0, 0]);
  return fetchedBytes;
}

const piece: PackedFile = { path: 'x', mode: 0o644, mtimeSec: 1, mtimeNsec: 0, offset: 0, rest: 0, lengths: [3] };

test.each([
  ['the root is not there', () => undefined],
  ['the root is an empty directory', () => mkdirSync(work)],
])('all of them, and nothing is fetched: %s', (_, prepare) => {
  prepare();
  const snapshot = plainSnapshot(source);
  expect(expectPulled(cameOf(filePacks(source, snapshot)))).toBe(0);
});

test('a file of the node that is in the way is kept, as ever', () => {
  mkdirSync(work);
  writeFileSync(join(work, 'top'), 'of the node');
  const advance = cameOf(filePacks(source, plainSnapshot(source)));
  const { conflicts, fetchedBytes } = pull(plainSnapshot(source), { node, advance });
  expect(conflicts.map(({ path }) => path)).toEqual(['top']);
  expect(fetchedBytes).toBe(0);
  expect(readFileSync(join(work, 'top')).equals(noise(1, 3000))).toBe(true);
});

test('pieces in any order, some of them lost, some twice', () => {
  const snapshot = plainSnapshot(source);
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(9)), fc.integer({ min: 1, max: 9 }), (dice, pieceChunks) => {
      rmSync(node, { recursive: true, force: true });
      mkdirSync(join(node, 'home'), { recursive: true });
      const packs = filePacks(source, snapshot, () => true, pieceChunks).flatMap((pack) => {
        const roll = dice.next().value;
        return roll === 0 ? [] : roll === 1 ? [pack, pack] : [pack];
      });
      const shuffled = packs.map((pack) => ({ pack, at: dice.next().value })).sort((a, b) => a.at - b.at);
      expectPulled(cameOf(shuffled.map(({ pack }) => pack)));
    }),
    { numRuns: 30 },
  );
});

test('what the source became meanwhile is what is placed', () => {
  const advance = cameOf(filePacks(source, plainSnapshot(source)));
  chmodSync(join(source, 'd/sub'), 0o755);
  // The same size and times as before.
  write('d/sub/small', noise(5, 100));
  chmodSync(join(source, 'd/sub/readonly'), 0o400);
  rmSync(join(source, 'top'));
  mkdirSync(join(source, 'top'));
  write('top/x', noise(6, 10));
  rmSync(join(source, 'd/large'));
  symlinkSync('sub', join(source, 'd/large'));
  rmSync(join(source, 'empty'));
  expectPulled(advance);
});

test('a directory that became a symlink, and a file that became one', () => {
  const advance = cameOf(filePacks(source, plainSnapshot(source)));
  chmodSync(join(source, 'd/sub'), 0o755);
  rmSync(join(source, 'd/sub'), { recursive: true });
  symlinkSync('large', join(source, 'd/sub'));
  rmSync(join(source, 'top'));
  symlinkSync('d', join(source, 'top'));
  expectPulled(advance);
});

test('an agent that was killed knows nothing of them: they are hashed, and what is wrong is fetched', () => {
  cameOf(filePacks(source, plainSnapshot(source)));
  const staged = join(stage(), 'ahead/d/large');
  const bytes = readFileSync(staged);
  bytes[700_000] = (bytes[700_000] ?? 0) ^ 1;
  writeFileSync(staged, bytes);
  utimesSync(staged, 4.99e8, 4.99e8);
  truncateSync(join(stage(), 'ahead/d/sub/small'), 50);
  const fetched = expectPulled(undefined);
  expect(fetched).toBeGreaterThan(100);
  expect(fetched).toBeLessThan(200_000);
});

test('killed while it took them up: what was moved already is used, the rest too', () => {
  mkdirSync(work);
  cameOf(filePacks(source, plainSnapshot(source)));
  expect(() =>
    pull(plainSnapshot(source), {
      node,
      before: (step) => {
        if (step === 'reuse') throw new Error('killed');
      },
    }),
  ).toThrow('killed');
  expect(expectPulled(undefined)).toBe(0);
});

test('they are not wanted where something was pulled, or staged', () => {
  const snapshot = plainSnapshot(source);
  cameOf(filePacks(source, snapshot));
  expect(begin(snapshot)).toBeUndefined();
  expectPulled(undefined);
  expect(begin(snapshot)).toBeUndefined();
  rmSync(join(node, 'state'), { recursive: true });
  chmodSync(join(work, 'd/sub'), 0o755);
  rmSync(work, { recursive: true });
  expect(() =>
    pull(snapshot, {
      node,
      before: (step) => {
        if (step === 'reuse') throw new Error('killed');
      },
    }),
  ).toThrow();
  expect(begin(snapshot)).toBeUndefined();
});

test('what the source could not read in the end is not put in place', () => {
  const bytes = noise(8, 9);
  const half = { ...piece, path: 'd/log', offset: 0, rest: 6, lengths: [3] };
  const advance = cameOf([...filePacks(source, plainSnapshot(source)), packOf(half, bytes)]);
  const { manifest, ...rest } = plainSnapshot(source);
  const directory = manifest.directories.get('d');
  const log = { kind: 'unknown', name: 'log', mode: 0, mtimeSec: 0, mtimeNsec: 0, size: 0, content: '' } as const;
  const entries = [...(directory?.entries ?? []), log].sort((a, b) => (a.name < b.name ? -1 : 1));
  const partial = {
    root: manifest.root,
    directories: new Map([...manifest.directories, ['d', { path: 'd', entries }]]),
  };
  pull({ ...rest, manifest: partial, digest: manifestDigest(partial) }, { node, advance });
  expect(existsSync(join(work, 'd/log'))).toBe(false);
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
});

test('a root that is a file has no use for them', () => {
  const advance = cameOf(filePacks(source, plainSnapshot(source)));
  chmodSync(join(source, 'd/sub'), 0o755);
  rmSync(source, { recursive: true });
  writeFileSync(source, 'one file');
  pull(plainSnapshot(source), { node, advance });
  expect(readFileSync(work, 'utf8')).toBe('one file');
  expect(existsSync(stage())).toBe(false);
});

test.each([
  ['below a file', [piece, { ...piece, path: 'x/y' }]],
  ['where a directory is', [{ ...piece, path: 'x/y' }, piece]],
  [
    'a piece where a directory is',
    [
      { ...piece, path: 'x/y' },
      { ...piece, rest: 5 },
    ],
  ],
])('a file %s is refused, and all that came is gone', (_, files) => {
  expect(() => cameOf(files.map((file) => packOf(file, Buffer.from('abc'))))).toThrow(
    expect.objectContaining({ code: 'bad-message' }),
  );
  expect(readdirSync(stage())).toEqual([]);
  expectPulled(undefined);
});

test('pieces of one state of a file never mix with those of another', () => {
  const bytes = noise(7, 9);
  const at = (offset: number, mtimeSec: number, lengths = [3]): Buffer =>
    packOf({ ...piece, path: 'p', mtimeSec, offset, rest: 9 - offset - 3, lengths }, bytes);
  const advance = cameOf([at(0, 1), at(3, 1), at(6, 2), at(0, 2), at(3, 2)]);
  expect(readFileSync(join(advance.stage, 'ahead/p')).equals(bytes)).toBe(true);
  // Pieces that overlap are no file, whatever they sum up to.
  const other = packOf({ ...piece, path: 'q', offset: 1, rest: 5, lengths: [3] }, bytes);
  const first = packOf({ ...piece, path: 'q', offset: 0, rest: 6, lengths: [3] }, bytes);
  advance.take(first);
  advance.take(other);
  advance.take(packOf({ ...piece, path: 'q', offset: 6, rest: 0, lengths: [3] }, bytes));
  // Nor what lay over one another for a while: the list of the last ones is not what is on the disk.
  const [a, b, c] = [noise(10, 9), noise(11, 9), noise(12, 9)];
  const over = (from: Buffer, offset: number, lengths: readonly number[], rest: number): Buffer =>
    packOf({ ...piece, path: 'r', offset, rest, lengths: [...lengths] }, from);
  for (const pack of [over(b, 3, [6], 0), over(a, 0, [6], 3), over(c, 0, [3], 6)]) advance.take(pack);
  write('p', bytes);
  write('q', bytes);
  write('r', Buffer.concat([c.subarray(0, 3), b.subarray(3)]));
  expectPulled(advance);
});
