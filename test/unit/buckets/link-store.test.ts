/** A bucket of the controller as a node has it: what crosses the link, who may, and what happens when the link goes. */
import { appendFileSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Slots } from '../../../protocol/base/slots.ts';
import { LinkStore } from '../../../protocol/store/link/link-store.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { never } from '../../helpers/link-pair.ts';
import { type OpenedLinkStore, openLinkStore } from '../../helpers/local-bucket.ts';
import { bytesOfObject, keysOf } from '../../helpers/object-store.ts';
import { Random } from '../../helpers/random.ts';

let opened: OpenedLinkStore;
let store: LinkStore;
beforeEach(async () => {
  opened = await openLinkStore();
  store = opened.store;
});
afterEach(async () => await opened[Symbol.asyncDispose]());

const fileOf = (key: string): string => join(opened.directory, 'files', key);

function otherStore(bucket: string): LinkStore {
  return new LinkStore({ link: () => opened.link, bucket, slots: new Slots(1) });
}

test.each([0, 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 7])('an object of %i bytes, whole and in ranges', async (size) => {
  const bytes = Buffer.alloc(size, new Random(size).bytes(4096));
  const options = { contentType: 'a/b', metadata: { mode: '33188', ü: 'x' } };
  const stat = await store.put('dir/file', bytes, options, never);
  expect(stat.size).toBe(size);
  expect(readFileSync(fileOf('dir/file')).equals(bytes)).toBe(true);
  const { head } = await store.get('dir/file', {}, never);
  expect(head).toEqual(await store.head('dir/file', never));
  expect(head).toMatchObject({ ...stat, ...options });
  expect((await bytesOfObject(store, 'dir/file')).equals(bytes)).toBe(true);
  for (const [start, end] of [
    [0, 1],
    [size >> 1, size],
    [size - 1, size + 10],
    [size, size + 1],
  ] as const) {
    if (start < 0) continue;
    const part = await bytesOfObject(store, 'dir/file', { start, end });
    expect(part.equals(bytes.subarray(start, end)), `${start} ${end}`).toBe(true);
  }
});

test('parts larger than a payload, in any order', async () => {
  const random = new Random(3);
  const parts = [random.bytes((2 << 20) + 5), random.bytes((2 << 20) + 5), random.bytes(100)];
  const upload = await store.startUpload('big', { metadata: { a: 'b' } }, never);
  await Promise.all(
    [3, 1, 2].map(async (number) => await upload.part(number, parts[number - 1] ?? Buffer.of(), never)),
  );
  await upload.complete(never);
  expect((await bytesOfObject(store, 'big')).equals(Buffer.concat(parts))).toBe(true);
  expect(await codeOf(upload.part(4, Buffer.of(1), never))).toBe('store-failed');
});

test('conditions, copies and deletions', async () => {
  const absent = { condition: { type: 'absent' } } as const;
  const { version } = await store.put('a', Buffer.from('1'), absent, never);
  expect(await codeOf(store.put('a', Buffer.from('2'), absent, never))).toBe('object-changed');
  await store.put('a', Buffer.from('3'), { condition: { type: 'version', version } }, never);
  expect(await codeOf(store.get('a', { ifVersion: version }, never))).toBe('object-changed');
  await store.copy('a', 'b', { replace: { metadata: { is: 'copy' } } }, never);
  expect((await store.head('b', never))?.metadata).toEqual({ is: 'copy' });
  expect(await codeOf(store.copy('none', 'b', {}, never))).toBe('object-missing');
  await store.delete('a', never);
  await store.delete('a', never);
  expect(await keysOf(store)).toEqual(['b']);
  expect(await codeOf(store.get('a', {}, never))).toBe('object-missing');
  expect(await store.head('a', never)).toBeUndefined();
});

test('keys of the longest, more than one message or page holds', async () => {
  const keys = Array.from({ length: 600 }, (_, n) => `${String(n).padStart(4, '0')}${`/${'k'.repeat(254)}`.repeat(4)}`);
  for (let at = 0; at < keys.length; at += 100)
    await Promise.all(keys.slice(at, at + 100).map(async (key) => await store.put(key, Buffer.of(1), {}, never)));
  expect(await keysOf(store)).toEqual(keys);
  expect((await store.list({ prefix: '', delimiter: '/' }, never)).prefixes).toHaveLength(256);
  expect(await store.deleteMany(keys, never)).toEqual([]);
  expect(await keysOf(store)).toEqual([]);
});

test('a node has only buckets that were opened for it, and only as they were', async () => {
  await opened.buckets.create('other', never);
  const other = otherStore('other');
  for (const call of [
    other.list({ prefix: '' }, never),
    other.head('a', never),
    other.get('a', {}, never),
    other.put('a', Buffer.of(1), {}, never),
    other.startUpload('a', {}, never),
    other.copy('a', 'b', {}, never),
    other.delete('a', never),
    other.bucketExists(never),
    otherStore('none-such').list({ prefix: '' }, never),
  ])
    expect(await codeOf(call)).toBe('store-forbidden');
  const upload = await store.startUpload('a', {}, never);
  const close = opened.grants.open('key', 'other', 'read');
  expect(await keysOf(other)).toEqual([]);
  expect(await codeOf(other.put('a', Buffer.of(1), {}, never))).toBe('store-forbidden');
  expect(await codeOf(other.delete('a', never))).toBe('store-forbidden');
  opened.grants.open('other key', 'other', 'write');
  expect(await codeOf(other.put('a', Buffer.of(1), {}, never))).toBe('store-forbidden');
  const closeWrite = opened.grants.open('key', 'other', 'write');
  await other.put('a', Buffer.of(1), {}, never);
  closeWrite();
  expect(await codeOf(other.put('a', Buffer.of(1), {}, never))).toBe('store-forbidden');
  close();
  expect(await codeOf(other.list({ prefix: '' }, never))).toBe('store-forbidden');
  await upload.part(1, Buffer.of(1), never);
  await upload.abort();
  expect(await codeOf(otherStore('../other').list({ prefix: '' }, never))).toBe('store-failed');
});

test('buckets are made and deleted by the controller alone', async () => {
  await store.createBucket(never);
  expect(await codeOf(store.deleteBucket(never))).toBe('store-forbidden');
  await opened.buckets.delete('data', never);
  expect(await store.bucketExists(never)).toBe(false);
  expect(await codeOf(store.put('a', Buffer.of(1), {}, never))).toBe('bucket-missing');
  expect(await codeOf(store.createBucket(never))).toBe('store-forbidden');
  await store.deleteBucket(never);
});

test('a reader that is slow holds the sender up, and one that leaves lets it go', async () => {
  const bytes = Buffer.alloc(40 << 20, new Random(1).bytes(4096));
  const upload = await store.startUpload('big', {}, never);
  for (let at = 0; at < bytes.length; at += 8 << 20)
    await upload.part(1 + at / (8 << 20), bytes.subarray(at, at + (8 << 20)), never);
  await upload.complete(never);
  const before = opened.link.bytesReceived;
  const { bytes: slow } = await store.get('big', {}, never);
  const reading = slow[Symbol.asyncIterator]();
  expect((await reading.next()).done).toBe(false);
  // Other calls are served meanwhile, often enough for all of it to have come if nothing held it up.
  for (let n = 0; n < 200; n += 1) {
    await store.head('big', never);
    await setImmediate();
  }
  expect(opened.link.bytesReceived - before).toBeLessThan(7 << 20);
  await reading.return?.();
  expect((await bytesOfObject(store, 'big')).equals(bytes)).toBe(true);
});

test('an object that the user cuts while it is read fails the read', async () => {
  await store.put('a', Buffer.alloc(12 << 20, 1), {}, never);
  const cut = await store.get('a', {}, never);
  truncateSync(fileOf('a'), 10);
  const read = async (bytes: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of bytes) expect(chunk.length).toBeGreaterThan(0);
  };
  expect(await codeOf(read(cut.bytes))).toBe('object-changed');
  const grown = await store.get('a', {}, never);
  expect(grown.head.size).toBe(10);
  await store.put('b', Buffer.alloc(12 << 20, 1), {}, never);
  const longer = await store.get('b', {}, never);
  appendFileSync(fileOf('b'), 'more');
  expect(await codeOf(read(longer.bytes))).toBe('object-changed');
  await read(grown.bytes);
});

test('calls are cancelled by their signal', async () => {
  await store.put('a', Buffer.alloc(12 << 20, 1), {}, never);
  const abort = new AbortController();
  const { bytes } = await store.get('a', {}, abort.signal);
  const read = async (): Promise<void> => {
    for await (const chunk of bytes) if (chunk.length > 0) abort.abort();
  };
  expect(await codeOf(read())).toBe('cancelled');
  for (const call of [
    store.put('b', Buffer.of(1), {}, abort.signal),
    store.head('b', abort.signal),
    store.list({ prefix: '' }, abort.signal),
    store.get('a', {}, abort.signal),
  ])
    expect(await codeOf(call)).toBe('cancelled');
  expect(await store.head('b', never)).toBeUndefined();
});

test('without a link everything is unreachable, for now', async () => {
  await store.put('a', Buffer.alloc(12 << 20, 1), {}, never);
  const { bytes } = await store.get('a', {}, never);
  const upload = await store.startUpload('b', {}, never);
  const putting = upload.part(1, Buffer.alloc(8 << 20), never);
  opened.link.close(new Error('gone'));
  const read = async (): Promise<void> => {
    for await (const chunk of bytes) expect(chunk.length).toBeGreaterThan(0);
  };
  for (const call of [read(), putting, store.head('a', never), store.put('c', Buffer.of(1), {}, never)])
    await expect(call).rejects.toMatchObject({ code: 'store-unreachable', retryable: true });
  await upload.abort();
});
