/** Objects of packs that git made: found, and read as git reads them. */
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PackIdx } from '../../../protocol/git/pack-idx.ts';
import { PackObjects } from '../../../protocol/git/pack-objects.ts';
import { GitRepository } from '../../helpers/git-repository.ts';
import { noise } from '../../helpers/noise.ts';

interface GitObject {
  readonly id: Buffer;
  readonly offset: number;
  readonly bytes: Buffer;
}

const most = 32 << 20;
let top = '';
let pack = '';
let objects: GitObject[] = [];
/** How many objects the longest chain of deltas has. */
let deepest = 0;

beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), 'git-pack-'));
  const root = join(top, 'repository');
  mkdirSync(root);
  const repository = new GitRepository(root, join(top, 'scratch'));
  for (let round = 0; round < 6; round += 1) {
    for (let n = 0; n < 60; n += 1) {
      const lines = Array.from({ length: n * 9 }, (_, at) => `line ${at} ${at % (round + 2) === 0 ? round : ''}\n`);
      writeFileSync(join(root, `text${n}`), lines.join(''));
    }
    writeFileSync(join(root, 'noise'), noise(round, 200_000));
    writeFileSync(join(root, 'large'), Buffer.concat([noise(9, 70_000), noise(round, 10), noise(8, 3_000_000)]));
    writeFileSync(join(root, 'empty'), '');
    repository.pack('--depth=40', '--window=30');
  }
  pack = join(root, repository.packPath);
  const contents = contentsOf(repository.git('cat-file', '--batch-all-objects', '--batch'));
  objects = repository
    .git('verify-pack', '-v', `${pack}.idx`)
    .split('\n')
    .flatMap((line) => {
      const [id = '', , , , offset, depth] = line.split(/ +/);
      const bytes = contents.get(id);
      if (bytes === undefined) return [];
      deepest = Math.max(deepest, Number(depth ?? 0));
      return [{ id: Buffer.from(id, 'hex'), offset: Number(offset), bytes }];
    });
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** By name, from what `cat-file --batch` says. */
function contentsOf(batch: string): Map<string, Buffer> {
  const contents = new Map<string, Buffer>();
  for (let at = 0; at < batch.length; ) {
    const end = batch.indexOf('\n', at);
    const [id = '', , size] = batch.slice(at, end).split(' ');
    at = end + 1 + Number(size);
    contents.set(id, Buffer.from(batch.slice(end + 1, at), 'latin1'));
    at += 1;
  }
  return contents;
}

function withPack<T>(bytes: Buffer | undefined, work: (reader: PackObjects) => T): T {
  if (bytes !== undefined) writeFileSync(join(top, 'other'), bytes);
  const fd = openSync(bytes === undefined ? `${pack}.pack` : join(top, 'other'), 'r');
  try {
    return work(new PackObjects(fd));
  } finally {
    closeSync(fd);
  }
}

test('every object is found, and read as git reads it', () => {
  const idx = PackIdx.open(Buffer.from(`${pack}.idx`));
  expect([objects.length > 300, deepest > 3]).toEqual([true, true]);
  withPack(undefined, (reader) => {
    for (const { id, offset, bytes } of objects) {
      expect(idx?.find(id)).toBe(offset);
      const read = reader.read(offset, undefined, most);
      expect([offset, Buffer.isBuffer(read) && read.equals(bytes)]).toEqual([offset, true]);
    }
  });
  for (const { id } of objects) {
    const other = Buffer.from(id);
    other[19] = (other[19] ?? 0) ^ 1;
    expect(idx?.find(other)).toBeUndefined();
  }
  expect([idx?.find(Buffer.alloc(20)), idx?.find(Buffer.alloc(20, 255))]).toEqual([undefined, undefined]);
  idx?.close();
});

test('of a pack that is not there to its end, what is there is read, and nothing else', () => {
  const size = statSync(`${pack}.pack`).size;
  fc.assert(
    fc.property(fc.nat(size), fc.nat(objects.length - 1), (available, at) => {
      const { offset, bytes } = objects[at] ?? { offset: 0, bytes: Buffer.alloc(0) };
      const cut = readFileSync(`${pack}.pack`).fill(0, available);
      withPack(cut, (reader) => {
        const read = reader.read(offset, available, most);
        expect(read === 'later' || (Buffer.isBuffer(read) && read.equals(bytes))).toBe(true);
        if (available < offset) expect(read).toBe('later');
        expect(reader.read(offset, size + (4 << 20), most)).not.toBe('later');
      });
    }),
    { numRuns: 100 },
  );
});

test('an object that is longer than wanted is not read', () => {
  const large = objects.filter(({ bytes }) => bytes.length > 3_000_000);
  expect(large.length).toBe(6);
  withPack(undefined, (reader) => {
    for (const { offset } of large) expect(reader.read(offset, undefined, 3_000_000)).toBeUndefined();
    for (const { offset, bytes } of objects)
      if (bytes.length <= 3_000_000) {
        const read = reader.read(offset, undefined, 3_000_000);
        expect(Buffer.isBuffer(read) && read.equals(bytes)).toBe(true);
      }
  });
});

test('whatever a pack holds and wherever an object is said to be, reading it comes to an end', () => {
  const whole = readFileSync(`${pack}.pack`);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }),
      fc.array(
        fc.oneof(
          fc.nat(whole.length + 50),
          fc.nat(objects.length - 1).map((at) => objects[at]?.offset ?? 0),
        ),
        {
          minLength: 1,
          maxLength: 20,
        },
      ),
      (flips, offsets) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of flips) bytes[at] = value;
        withPack(bytes, (reader) => {
          for (const offset of offsets) {
            const read = reader.read(offset, undefined, 1 << 20);
            if (Buffer.isBuffer(read)) expect(read.length).toBeLessThanOrEqual(1 << 20);
            else expect(read).toBeUndefined();
          }
        });
      },
    ),
    { numRuns: 150 },
  );
});

/** An index of version 2, of names in any order, without the checksums that nobody reads. */
function indexOf(entries: readonly { readonly id: Buffer; readonly offset: number }[]): Buffer {
  const sorted = [...entries].sort((a, b) => a.id.compare(b.id));
  const fanout = Buffer.alloc(1024);
  for (const { id } of sorted)
    for (let first = id[0] ?? 0; first < 256; first += 1)
      fanout.writeUInt32BE(fanout.readUInt32BE(first * 4) + 1, first * 4);
  const short = Buffer.alloc(4 * sorted.length);
  const long: Buffer[] = [];
  for (const [at, { offset }] of sorted.entries()) {
    if (offset < 2 ** 31) short.writeUInt32BE(offset, at * 4);
    else {
      short.writeUInt32BE(0x80000000 + long.length, at * 4);
      const eight = Buffer.alloc(8);
      eight.writeBigUInt64BE(BigInt(offset));
      long.push(eight);
    }
  }
  const head = Buffer.from('ff744f6300000002', 'hex');
  const ids = sorted.map(({ id }) => id);
  return Buffer.concat([head, fanout, ...ids, Buffer.alloc(4 * sorted.length), short, ...long, Buffer.alloc(40)]);
}

test('an index of many names, evenly spread or not, and of offsets beyond 2 GiB', () => {
  const path = join(top, 'many.idx');
  for (const alike of [0, 1, 5]) {
    const entries = Array.from({ length: 20_000 }, (_, n) => {
      const id = noise(n, 20);
      id.fill(alike, 0, alike);
      return { id, offset: n % 3 === 0 ? 2 ** 33 + n : n };
    });
    writeFileSync(path, indexOf(entries));
    const idx = PackIdx.open(Buffer.from(path));
    for (const { id, offset } of entries)
      if (idx?.find(id) !== offset) expect.fail(`${id.toString('hex')} is not found`);
    for (let n = 0; n < 2000; n += 1) expect(idx?.find(noise(100_000 + n, 20))).toBeUndefined();
    idx?.close();
  }
});

test('what is no index is none, and one that is cut off has nothing', () => {
  const path = join(top, 'bad.idx');
  const open = (bytes: Buffer): PackIdx | undefined => {
    writeFileSync(path, bytes);
    return PackIdx.open(Buffer.from(path));
  };
  const good = indexOf(objects);
  expect(PackIdx.open(Buffer.from(join(top, 'none.idx')))).toBeUndefined();
  expect(PackIdx.open(Buffer.from(top))).toBeUndefined();
  for (const bytes of [Buffer.alloc(0), noise(1, 5000), good.subarray(0, 1000), good.subarray(0, 5000)])
    expect(open(bytes)).toBeUndefined();
  const version = Buffer.from(good);
  version.writeUInt32BE(3, 4);
  const descending = Buffer.from(good);
  descending.writeUInt32BE(0xffffffff, 8);
  expect([open(version), open(descending)]).toEqual([undefined, undefined]);
  const wild = Buffer.from(good);
  wild.fill(0xff, good.length - 40 - 4 * objects.length, good.length - 40);
  const idx = open(wild);
  for (const { id } of objects) expect(idx?.find(id)).toBeUndefined();
  idx?.close();
});
