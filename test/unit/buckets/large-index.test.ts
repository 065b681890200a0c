/** A large index is read, searched and written anew without holding up all else that the controller does. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BucketIndex } from '../../../controller/buckets/local/bucket-index.ts';
import { framesOf } from '../../../controller/buckets/local/index-journal.ts';
import { encodeRecord, type IndexEntry, packEntry } from '../../../controller/buckets/local/index-record.ts';
import { LocalStore } from '../../../controller/buckets/local/local-store.ts';
import { never } from '../../helpers/link-pair.ts';
import { longestTurnMs } from '../../helpers/longest-turn.ts';

/** docs/decisions/0006 has what it is at rest; here garbage is collected while others run, and what is not sliced takes hundreds. */
const allowedMs = 60;
const count = 100_000;

let top = '';
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'large-index-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function entry(n: number): IndexEntry {
  return {
    key: `images//${n}.jpg`,
    place: 'odd',
    version: `${n}`.padStart(24, 'v'),
    size: 0,
    modifiedMs: 1,
    contentType: 'image/jpeg',
    metadata: { mode: '33188' },
    md5: 'd41d8cd98f00b204e9800998ecf8427e',
    temp: `${n}`,
    print: '1 2 3',
  };
}

test('keys that no directory holds, which are the dearest', { timeout: 120_000 }, async () => {
  const directory = join(top, 'data');
  {
    await using store = new LocalStore({ directory, log: () => undefined });
    await store.createBucket(never);
  }
  const records = Array.from({ length: count }, (_, n) =>
    encodeRecord({ type: 'entry', key: entry(n).key, packed: packEntry(entry(n)) }),
  );
  writeFileSync(`${directory}/index/50.checkpoint`, Buffer.concat(framesOf(records)));
  await using store = new LocalStore({ directory, log: () => undefined });
  expect(await longestTurnMs(async () => await store.bucketExists(never))).toBeLessThan(allowedMs);
  await store[Symbol.asyncDispose]();
  const { index } = await BucketIndex.open(`${directory}/index`, async () => undefined);
  expect(index.size).toBe(count);
  const nothing = async (): Promise<void> => undefined;
  expect(await longestTurnMs(async () => await index.checkpoint(nothing, nothing))).toBeLessThan(allowedMs);
  const versions = new Map(Array.from({ length: count }, (_, n) => [entry(n).key, entry(n).version]));
  expect(await longestTurnMs(async () => await index.settled(versions))).toBeLessThan(allowedMs);
  await index.close();
});
