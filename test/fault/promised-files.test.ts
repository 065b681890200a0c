/** Files that a replica makes from a git pack: as they are to be, or asked for like any other; never anything else. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { joinPath } from '../../protocol/base/root-path.ts';
import { chunkCount, chunkLength } from '../../protocol/chunk/entry.ts';
import { encodeObjectPack, type ObjectFile } from '../../protocol/chunk/file-pack.ts';
import { PackIdx } from '../../protocol/git/pack-idx.ts';
import { FilesInAdvance } from '../../protocol/pull/replica/files-in-advance.ts';
import { filePacks, packOf } from '../helpers/file-packs.ts';
import { GitRepository } from '../helpers/git-repository.ts';
import { noise } from '../helpers/noise.ts';
import { type PlainSnapshot, plainSnapshot } from '../helpers/plain-source.ts';
import { pull, sessionOptions } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';
let pack = '';
let snapshot: PlainSnapshot;
let objects: readonly ObjectFile[] = [];

beforeAll(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'promised-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  for (let n = 0; n < 80; n += 1) {
    write(`d${n % 6}/text${n}`, Buffer.from(`line ${n}\n`.repeat(n * 30)));
    write(`d${n % 5}/noise${n}`, noise(n, 3000));
  }
  write('large', Buffer.concat([noise(1, 1_500_000), Buffer.alloc(900_000, 'text ')]));
  write('copy of large', readFileSync(join(source, 'large')));
  const repository = new GitRepository(source, join(top, 'scratch'));
  const names = (): Map<string, Buffer> =>
    new Map(
      repository
        .git('ls-files', '-s')
        .split('\n')
        .flatMap((line) => {
          const [, id, path] = /^\d+ ([0-9a-f]{40}) 0\t(.*)$/.exec(line) ?? [];
          return id === undefined || path === undefined ? [] : [[path, Buffer.from(id, 'hex')] as const];
        }),
    );
  repository.pack();
  chmodSync(join(source, 'd1/text1'), 0o600);
  chmodSync(join(source, 'd1/text7'), 0o444);
  pack = `${repository.packPath}.pack`;
  snapshot = plainSnapshot(source);
  const idx = PackIdx.open(Buffer.from(join(source, `${repository.packPath}.idx`)));
  const ids = names();
  objects = entriesOf(snapshot).flatMap(([path, entry]) => {
    const id = ids.get(path);
    const object = id === undefined ? undefined : idx?.find(id);
    if (object === undefined) return [];
    const { mode, mtimeSec, mtimeNsec, content } = entry;
    const lengths = Array.from({ length: chunkCount(content) }, (_, at) => chunkLength(content, at));
    return lengths.length === 0 ? [] : [{ path, mode, mtimeSec, mtimeNsec, offset: 0, rest: 0, lengths, object }];
  });
});
afterAll(() => rmSync(top, { recursive: true, force: true }));
beforeEach(fresh);

function fresh(): void {
  rmSync(node, { recursive: true, force: true });
  mkdirSync(join(node, 'home'), { recursive: true });
}

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(join(source, path)), { recursive: true });
  writeFileSync(join(source, path), bytes);
  utimesSync(join(source, path), 4.99e8, 4.99e8);
}

function entriesOf({ manifest }: PlainSnapshot) {
  return [...manifest.directories].flatMap(([directory, { entries }]) =>
    entries.filter(({ kind }) => kind === 'file').map((entry) => [joinPath(directory, entry.name), entry] as const),
  );
}

function begin(): FilesInAdvance {
  const advance = FilesInAdvance.begin(sessionOptions(snapshot, { node }));
  if (advance === undefined) throw new Error('no files are wanted');
  return advance;
}

function makeAll(advance: FilesInAdvance): void {
  while (advance.makePromised().more);
}

/** Pulls; returns bytes that had to be fetched. */
function expectPulled(advance: FilesInAdvance | undefined): number {
  advance?.end();
  const { fetchedBytes, conflicts, problems } = pull(snapshot, { node, advance });
  expect([conflicts, problems]).toEqual([[], []]);
  const [want, got] = [readTree(source), readTree(join(node, 'home/work'))];
  expect(missingOrDifferent(want, got)).toEqual([]);
  expect([...got.keys()].filter((path) => !want.has(path))).toEqual([]);
  expect(existsSync(join(node, 'state/stage'))).toBe(false);
  return fetchedBytes;
}

const promises = (files: readonly ObjectFile[], at = pack): Buffer[] =>
  files.map((file) => encodeObjectPack({ pack: at, files: [file] }));
/** What else there is, a large file in pieces. */
const others = (pieceChunks = 20): Buffer[] =>
  filePacks(source, snapshot, (path) => path.startsWith('.git/'), pieceChunks);
const rawBytes = (files: readonly ObjectFile[]): number =>
  files.flatMap(({ lengths }) => lengths).reduce((sum, length) => sum + length, 0);

test('what git has is made, and nothing is fetched', () => {
  expect(objects.length).toBeGreaterThan(155);
  for (const frames of [
    [...promises(objects), ...others()],
    [...others(), ...promises(objects)],
    [...others(1), encodeObjectPack({ pack, files: objects })],
  ]) {
    fresh();
    const advance = begin();
    for (const frame of frames) {
      advance.take(frame);
      advance.makePromised();
    }
    makeAll(advance);
    // An empty file is nobody's object.
    expect(expectPulled(advance)).toBe(0);
  }
});

test('in any order, some of it lost or twice, some of it made meanwhile: the rest is fetched', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(9)), fc.integer({ min: 1, max: 40 }), (dice, pieceChunks) => {
      fresh();
      const roll = (): number => dice.next().value;
      const frames = [...promises(objects), ...others(pieceChunks)]
        .flatMap((frame) => {
          const rolled = roll();
          return rolled === 0 ? [] : rolled === 1 ? [frame, frame] : [frame];
        })
        .map((frame) => ({ frame, at: roll() * 10 + roll() }))
        .sort((a, b) => a.at - b.at);
      const advance = begin();
      for (const { frame } of frames) {
        advance.take(frame);
        if (roll() === 0) advance.makePromised();
      }
      if (roll() > 3) makeAll(advance);
      expectPulled(advance);
    }),
    { numRuns: 25 },
  );
});

test('objects that are others than was said, or nowhere, are not taken for the files', () => {
  const shifted = objects.map((file, at) => ({ ...file, object: objects[(at + 1) % objects.length]?.object ?? 0 }));
  const wild = objects.map((file, at) => ({ ...file, object: at % 3 === 0 ? 2 ** 40 + at : file.object + (at % 3) }));
  for (const [files, where] of [
    [shifted, pack],
    [wild, pack],
    [objects, '.git/objects/pack/none.pack'],
    [objects, '.git/HEAD'],
    [objects, '.git/objects/pack'],
    [objects, 'd1'],
  ] as const) {
    fresh();
    const advance = begin();
    for (const frame of [...others(), ...promises(files, where)]) advance.take(frame);
    makeAll(advance);
    expect(expectPulled(advance)).toBeGreaterThan(rawBytes(objects) / 3);
  }
});

test('a file that comes after all is what came, and one that is promised again counts as it was promised last', () => {
  const advance = begin();
  const [first, second] = objects;
  if (first === undefined || second === undefined) throw new Error('there are no files');
  for (const frame of promises([{ ...first, mode: 0o111 }, second])) advance.take(frame);
  for (const frame of promises([first])) advance.take(frame);
  for (const frame of filePacks(source, snapshot, (path) => path === second.path)) advance.take(frame);
  const before = advance.count;
  for (const frame of others()) advance.take(frame);
  const came = advance.count;
  makeAll(advance);
  expect([before, advance.count - came]).toEqual([1, 1]);
  expect(expectPulled(advance)).toBe(rawBytes(objects) - rawBytes([first, second]));
});

test('promises that do not count any more do not stand in the way of those that do', () => {
  const advance = begin();
  for (let round = 0; round < 30; round += 1) advance.take(encodeObjectPack({ pack, files: objects }));
  for (const frame of others()) advance.take(frame);
  const came = advance.count;
  makeAll(advance);
  expect(advance.count - came).toBe(objects.length);
  expect(expectPulled(advance)).toBe(0);
});

test('the agent ends amid it: what was made is looked at again, and used', () => {
  const advance = begin();
  for (const frame of [...others(), ...promises(objects)]) advance.take(frame);
  advance.makePromised();
  expect(advance.count).toBeGreaterThan(20);
  expect(expectPulled(undefined)).toBeLessThan(rawBytes(objects));
});

test('however many packs are named, few are opened, and none stays open', () => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  const advance = begin();
  for (let n = 0; n < 200; n += 1) {
    const file = { path: `p${n}`, mode: 0o644, mtimeSec: 1, mtimeNsec: 0, offset: 0, rest: 0, lengths: [50] };
    advance.take(packOf(file, noise(n, 50)));
    // Each is read at where there is nothing, and so stays open: more may come.
    const missing = { ...file, path: `q${n}`, lengths: [50], object: 1 };
    advance.take(encodeObjectPack({ pack: `p${n}`, files: [missing] }));
    makeAll(advance);
  }
  expect([open() - before > 10, open() - before <= 64]).toEqual([true, true]);
  advance.drop();
  expect(open()).toBe(before);
});
