/** A bucket as plain files: what lies where, what of the user's edits is seen, and what no directory can hold. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalBuckets } from '../../../controller/buckets/local/local-buckets.ts';
import type { LocalStore } from '../../../controller/buckets/local/local-store.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { never } from '../../helpers/link-pair.ts';
import { type OpenedStore, openLocalStore } from '../../helpers/local-bucket.ts';
import { bytesOfObject, keysOf } from '../../helpers/object-store.ts';

let opened: OpenedStore<LocalStore>;
let store: LocalStore;
let files = '';
beforeEach(async () => {
  opened = await openLocalStore();
  store = opened.store;
  files = join(opened.directory, 'files');
});
afterEach(async () => await opened[Symbol.asyncDispose]());

async function put(key: string, text: string, metadata: Readonly<Record<string, string>> = {}) {
  return await store.put(key, Buffer.from(text), { metadata, contentType: 'text/plain' }, never);
}

async function text(key: string): Promise<string> {
  return (await bytesOfObject(store, key)).toString();
}

describe('plain files', () => {
  test('an object is a file with its bytes and the mtime its metadata says', async () => {
    await put('a/b c/ü.txt', 'hello', { mtime: '1700000000.123456789' });
    const path = join(files, 'a/b c/ü.txt');
    expect(readFileSync(path, 'utf8')).toBe('hello');
    expect(statSync(path, { bigint: true }).mtimeNs).toBe(1_700_000_000_123_456_789n);
    const head = await store.head('a/b c/ü.txt', never);
    expect(head).toMatchObject({
      size: 5,
      contentType: 'text/plain',
      metadata: { mtime: '1700000000.123456789' },
      md5: '5d41402abc4b2a76b9719d911017c592',
    });
  });

  test('a removed object takes the directories that it leaves empty along, and no others', async () => {
    await put('a/b/c', '1');
    await put('a/d', '2');
    await store.delete('a/b/c', never);
    expect(readdirSync(join(files, 'a'))).toEqual(['d']);
    await store.delete('a/d', never);
    expect(readdirSync(files)).toEqual([]);
  });

  test('an edit by hand is a new version without the old type', async () => {
    const { version } = await put('a', 'one', { mode: '420' });
    writeFileSync(join(files, 'a'), 'two');
    const head = await store.head('a', never);
    expect(head).toMatchObject({ size: 3, contentType: undefined, metadata: {}, md5: undefined });
    expect(head?.version).not.toBe(version);
    expect((await store.list({ prefix: '' }, never)).objects[0]?.version).toBe(head?.version);
    expect(await text('a')).toBe('two');
    const condition = { type: 'version', version } as const;
    expect(await codeOf(store.put('a', Buffer.from('three'), { condition }, never))).toBe('object-changed');
    expect(await text('a')).toBe('two');
  });

  test('an edit that keeps size and mtime is seen', async () => {
    const { version } = await put('a', 'one', { mtime: '1700000000' });
    const path = join(files, 'a');
    const before = statSync(path);
    while (Date.now() - before.ctimeMs < 20);
    writeFileSync(path, 'two');
    const { utimesSync } = await import('node:fs');
    utimesSync(path, before.atime, before.mtime);
    expect(statSync(path).mtimeMs).toBe(before.mtimeMs);
    expect((await store.head('a', never))?.version).not.toBe(version);
  });

  test('whoever only touches the mode keeps the metadata', async () => {
    const { version } = await put('a', 'one', { mode: '420' });
    chmodSync(join(files, 'a'), 0o600);
    const head = await store.head('a', never);
    expect(head).toMatchObject({ contentType: 'text/plain', metadata: { mode: '420' } });
    expect(head?.version).not.toBe(version);
  });

  test('files that were made, moved and deleted by hand are objects that came and went', async () => {
    await put('a/old', '1');
    mkdirSync(join(files, 'b'));
    writeFileSync(join(files, 'b/new'), 'mine');
    renameSync(join(files, 'a/old'), join(files, 'moved'));
    expect(await keysOf(store)).toEqual(['b/new', 'moved']);
    expect(await text('b/new')).toBe('mine');
    expect(await store.head('a/old', never)).toBeUndefined();
    rmSync(join(files, 'b'), { recursive: true });
    expect(await keysOf(store)).toEqual(['moved']);
    expect(await codeOf(store.get('b/new', {}, never))).toBe('object-missing');
    await store.delete('b/new', never);
    await store.delete('moved', never);
    expect(existsSync(join(files, 'moved'))).toBe(false);
  });

  test('symlinks and FIFOs are no objects, are counted, and lead nowhere', async () => {
    const outside = join(opened.directory, '..', 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret'), 'secret');
    symlinkSync(outside, join(files, 'dir'));
    symlinkSync(join(outside, 'secret'), join(files, 'link'));
    expect(await keysOf(store)).toEqual([]);
    for (const key of ['link', 'dir/secret']) {
      expect(await store.head(key, never)).toBeUndefined();
      expect(await codeOf(store.get(key, {}, never))).toBe('object-missing');
      await store.delete(key, never);
    }
    expect(await store.summary(never)).toEqual({ objects: 0, bytes: 0, odd: 0, others: 2 });
    for (const key of ['link', 'dir/secret', 'dir/new/deep']) await put(key, 'ours');
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret');
    expect(await keysOf(store)).toEqual(['dir/new/deep', 'dir/secret', 'link']);
    for (const key of ['link', 'dir/secret', 'dir/new/deep']) expect(await text(key)).toBe('ours');
    expect(await store.summary(never)).toEqual({ objects: 3, bytes: 12, odd: 3, others: 2 });
  });
});

describe('keys that no directory holds', () => {
  const odd = [
    '/a',
    'a//b',
    'a/',
    '.',
    '..',
    '../../escape',
    'a/../b',
    'nul\0nul',
    'x'.repeat(256),
    `${'ü'.repeat(128)}/y`,
    'd/'.repeat(200) + 'e',
    '/',
    '//',
  ];

  test('are objects like any other, and make no path', async () => {
    for (const key of odd) await put(key, key);
    expect(readdirSync(files)).toEqual([]);
    expect(readdirSync(join(opened.directory, 'odd')).every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
    const byBytes = [...odd].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await keysOf(store)).toEqual(byBytes);
    for (const key of odd) expect(await text(key)).toBe(key);
    expect(await store.summary(never)).toMatchObject({ objects: odd.length, odd: odd.length });
    expect(await store.deleteMany(odd, never)).toEqual([]);
    expect(await keysOf(store)).toEqual([]);
    expect(readdirSync(join(opened.directory, 'odd'))).toEqual([]);
  });

  test('a key beside keys below it, whichever came first', async () => {
    await put('a', 'file');
    await put('a/b', 'below');
    await put('c/d', 'below');
    await put('c', 'file');
    expect(await keysOf(store)).toEqual(['a', 'a/b', 'c', 'c/d']);
    for (const [key, want] of [
      ['a', 'file'],
      ['a/b', 'below'],
      ['c', 'file'],
      ['c/d', 'below'],
    ] as const)
      expect(await text(key)).toBe(want);
    // Once there is room the next write goes where a user finds it.
    await store.delete('a', never);
    await put('a/b', 'again');
    expect(readFileSync(join(files, 'a/b'), 'utf8')).toBe('again');
    expect(await store.summary(never)).toMatchObject({ objects: 3, odd: 1 });
    expect(await text('a/b')).toBe('again');
  });

  test('a file that the user makes takes the place of the odd object of its key', async () => {
    await put('a/b', '1');
    await put('a', 'odd');
    rmSync(join(files, 'a'), { recursive: true });
    writeFileSync(join(files, 'a'), 'mine');
    expect(await keysOf(store)).toEqual(['a']);
    expect(await text('a')).toBe('mine');
    await store.delete('a', never);
    expect(await store.head('a', never)).toBeUndefined();
    expect(await keysOf(store)).toEqual([]);
  });

  test('what is no key at all is refused, and is not there', async () => {
    for (const key of ['', 'x'.repeat(1025), 'half \ud800'])
      expect(await codeOf(store.put(key, Buffer.from('1'), {}, never)), JSON.stringify(key)).toBe('store-failed');
    expect(await store.head('half \ud800', never)).toBeUndefined();
  });
});

test('names in the directory that are no UTF-8 are counted', async () => {
  writeFileSync(Buffer.concat([Buffer.from(`${files}/`), Buffer.of(0x61, 0xff)]), '1');
  await put('b', '2');
  expect(await keysOf(store)).toEqual(['b']);
  expect(await store.summary(never)).toEqual({ objects: 1, bytes: 1, odd: 0, others: 1 });
});

test('a file that is written to while it is read fails the read; one that is replaced is read whole', async () => {
  const big = Buffer.alloc(3 << 20, 1);
  await store.put('a', big, {}, never);
  const replaced = await store.get('a', {}, never);
  await put('a', 'new');
  let bytes = 0;
  for await (const chunk of replaced.bytes) bytes += chunk.length;
  expect(bytes).toBe(big.length);

  await store.put('a', big, {}, never);
  const edited = await store.get('a', {}, never);
  appendFileSync(join(files, 'a'), 'x');
  const read = async (): Promise<void> => {
    for await (const chunk of edited.bytes) bytes += chunk.length;
  };
  expect(await codeOf(read())).toBe('object-changed');
});

test('many writers of one key: one of the values is there, whole, and every reader saw a whole one', async () => {
  const value = (n: number): Buffer => Buffer.alloc(200_000 + n, n);
  await store.put('k', value(0), {}, never);
  const writing = new AbortController();
  const seen = new Map<string, number>();
  const reader = (async () => {
    while (!writing.signal.aborted) {
      const { head, bytes } = await store.get('k', {}, never);
      const chunks: Uint8Array[] = [];
      for await (const chunk of bytes) chunks.push(chunk);
      const all = Buffer.concat(chunks);
      expect(all.equals(value(all[0] ?? 0))).toBe(true);
      expect(head.size).toBe(all.length);
      expect(head.metadata['n'] ?? '0').toBe(String(all[0]));
      expect(seen.get(head.version) ?? all[0]).toBe(all[0]);
      seen.set(head.version, all[0] ?? 0);
    }
  })();
  const versions = await Promise.all(
    Array.from({ length: 20 }, (_, n) => store.put('k', value(n + 1), { metadata: { n: String(n + 1) } }, never)),
  );
  writing.abort();
  await reader;
  expect(new Set(versions.map(({ version }) => version)).size).toBe(20);
  const last = await store.head('k', never);
  expect(versions.map(({ version }) => version)).toContain(last?.version);
  for (const version of seen.keys()) expect(version).not.toMatch(/^u/);
});

test('of writers that want the object to be absent one wins', async () => {
  const condition = { type: 'absent' } as const;
  const codes = await Promise.all(
    Array.from({ length: 8 }, async (_, n) => await codeOf(store.put('k', Buffer.of(n), { condition }, never))),
  );
  expect(codes.filter((code) => code === 'no error')).toHaveLength(1);
  expect(codes.filter((code) => code === 'object-changed')).toHaveLength(7);
});

test('an upload in parts that come in any order is one file, and leaves nothing beside it', async () => {
  const parts = [Buffer.alloc(70_000, 1), Buffer.alloc(70_000, 2), Buffer.alloc(70_000, 3), Buffer.alloc(10, 4)];
  const upload = await store.startUpload('big/file', { contentType: 'x/y' }, never);
  for (const number of [4, 2, 1, 3, 2]) await upload.part(number, parts[number - 1] ?? Buffer.of(), never);
  expect(await store.head('big/file', never)).toBeUndefined();
  const stat = await upload.complete(never);
  expect(stat.size).toBe(210_010);
  expect(readFileSync(join(files, 'big/file')).equals(Buffer.concat(parts))).toBe(true);
  expect(await store.head('big/file', never)).toMatchObject({ contentType: 'x/y', md5: undefined });
  expect(readdirSync(join(opened.directory, 'uploads'))).toEqual([]);
  expect(readdirSync(join(opened.directory, 'tmp'))).toEqual([]);
});

test('uploads that lack a part, or have parts of several sizes, are refused; aborted ones leave nothing', async () => {
  const gap = await store.startUpload('k', {}, never);
  await gap.part(1, Buffer.alloc(5), never);
  await gap.part(3, Buffer.alloc(5), never);
  expect(await codeOf(gap.complete(never))).toBe('store-failed');
  const uneven = await store.startUpload('k', {}, never);
  await uneven.part(1, Buffer.alloc(5), never);
  await uneven.part(2, Buffer.alloc(4), never);
  await uneven.part(3, Buffer.alloc(5), never);
  expect(await codeOf(uneven.complete(never))).toBe('store-failed');
  const aborted = await store.startUpload('k', {}, never);
  await aborted.part(1, Buffer.alloc(5), never);
  await aborted.abort();
  expect(await codeOf(aborted.part(2, Buffer.alloc(5), never))).toBe('store-failed');
  expect(await store.head('k', never)).toBeUndefined();
  expect(readdirSync(join(opened.directory, 'uploads'))).toEqual([]);
});

test('a part may come in pieces, but not in any number of them', async () => {
  const pieces = await store.startUpload('k', {}, never);
  for (const at of [4, 0, 8, 4]) await pieces.piece(1, 10, at, Buffer.from('0123456789').subarray(at, at + 4), never);
  await pieces.complete(never);
  expect(await text('k')).toBe('0123456789');
  const hole = await store.startUpload('k', {}, never);
  for (const at of [0, 6, 6]) await hole.piece(1, 10, at, Buffer.alloc(4), never);
  expect(await codeOf(hole.complete(never))).toBe('store-failed');
  const crumbs = await store.startUpload('k', {}, never);
  for (let at = 0; at < 4096; at += 1) await crumbs.piece(1, 10_000, 2 * at, Buffer.of(1), never);
  expect(await codeOf(crumbs.piece(1, 10_000, 9999, Buffer.of(1), never))).toBe('store-failed');
  expect(await codeOf(crumbs.piece(1, 10, 8, Buffer.alloc(4), never))).toBe('store-failed');
});

test('a part from an object of the bucket', async () => {
  const { version } = await put('from', 'hello world');
  const upload = await store.startUpload('to', {}, never);
  await upload.copyPart(1, 'from', { start: 6, end: 11 }, version, never);
  await upload.part(2, Buffer.from('!'), never);
  expect(await codeOf(upload.copyPart(3, 'from', { start: 0, end: 5 }, 'other', never))).toBe('object-changed');
  await upload.complete(never);
  expect(await text('to')).toBe('world!');
});

test('copies; and onto itself, which leaves the file alone', async () => {
  const { version } = await put('from', 'hello', { a: '1' });
  const copied = await store.copy('from', 'x/to', {}, never);
  expect(copied.size).toBe(5);
  expect(await store.head('x/to', never)).toMatchObject({ metadata: { a: '1' }, contentType: 'text/plain' });
  const { ino } = statSync(join(files, 'from'));
  const replaced = await store.copy('from', 'from', { ifVersion: version, replace: { metadata: { b: '2' } } }, never);
  expect(replaced.version).not.toBe(version);
  expect(statSync(join(files, 'from')).ino).toBe(ino);
  expect(await store.head('from', never)).toMatchObject({ metadata: { b: '2' }, contentType: undefined });
  expect(await codeOf(store.copy('from', 'y', { ifVersion: version }, never))).toBe('object-changed');
  expect(await codeOf(store.copy('none', 'y', {}, never))).toBe('object-missing');
});

test('a bucket that was deleted is missing, and can be made again', async () => {
  await put('a', '1');
  expect(await codeOf(store.deleteBucket(never))).toBe('store-failed');
  await store.delete('a', never);
  await store.deleteBucket(never);
  expect(existsSync(opened.directory)).toBe(false);
  expect(await store.bucketExists(never)).toBe(false);
  expect(await codeOf(put('a', '1'))).toBe('bucket-missing');
  await store.deleteBucket(never);
  await store.createBucket(never);
  await put('a', '2');
  expect(await keysOf(store)).toEqual(['a']);
});

test('pages, with and without a delimiter, whatever the limit', async () => {
  const keys = ['a', 'a-', 'a.b', 'a/b', 'a/b/c', 'a/b-', 'a/c/', 'a0', 'b/c/d', 'b/c/e', 'é/x', '\u{10000}', '\uffee'];
  for (const key of keys) await put(key, key);
  mkdirSync(join(files, 'b/empty/deep'), { recursive: true });
  const sorted = [...keys].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
  for (const limit of [1, 2, 3, 1000]) {
    for (const prefix of ['', 'a', 'a/', 'a/b', 'b/c/', 'b/e', 'zz', 'é']) {
      const want = sorted.filter((key) => key.startsWith(prefix));
      expect(await keysOf(store, { prefix, limit }), `${prefix} ${limit}`).toEqual(want);
      const objects = want.filter((key) => !key.slice(prefix.length).includes('/'));
      const prefixes = new Set(
        want
          .filter((key) => key.slice(prefix.length).includes('/'))
          .map((key) => key.slice(0, key.indexOf('/', prefix.length) + 1)),
      );
      const got = { objects: [] as string[], prefixes: [] as string[] };
      let cursor: string | undefined;
      do {
        const page = await store.list(
          { prefix, limit, delimiter: '/', ...(cursor === undefined ? {} : { cursor }) },
          never,
        );
        expect(page.objects.length + page.prefixes.length).toBeLessThanOrEqual(limit);
        got.objects.push(...page.objects.map(({ key }) => key));
        got.prefixes.push(...page.prefixes);
        cursor = page.next;
      } while (cursor !== undefined);
      expect(got, `${prefix} ${limit}`).toEqual({ objects, prefixes: [...prefixes] });
    }
  }
});

test('buckets by name: made, counted, deleted with all that is in them, and what was left of a deletion goes', async () => {
  const top = join(opened.directory, '..', 'more');
  mkdirSync(join(top, '.deleted-0011/files'), { recursive: true });
  writeFileSync(join(top, '.deleted-0011/files/a'), '1');
  mkdirSync(join(top, 'No Bucket'));
  await using buckets = await LocalBuckets.open({ directory: top, log: () => undefined });
  const one = await buckets.create('one', never);
  expect(await buckets.create('one', never)).toBe(one);
  await buckets.create('two', never);
  await one.put('a', Buffer.from('12'), {}, never);
  await one.put('a/', Buffer.from('3'), {}, never);
  symlinkSync('/etc/passwd', join(top, 'one/files/link'));
  expect(await buckets.list(never)).toEqual([
    { name: 'one', objects: 2, bytes: 3, odd: 1, others: 1 },
    { name: 'two', objects: 0, bytes: 0, odd: 0, others: 0 },
  ]);
  await buckets.delete('one', never);
  expect(await codeOf(buckets.delete('one', never))).toBe('bucket-missing');
  expect(await buckets.names()).toEqual(['two']);
  for (const name of ['../two', 'x', 'No Bucket', '.deleted-0011'])
    expect(await codeOf((async () => buckets.get(name))())).toBe('bucket-missing');
  await buckets[Symbol.asyncDispose]();
  expect(readdirSync(top).sort()).toEqual(['No Bucket', 'two']);
});

test('deleting an empty bucket while it is written to loses nothing that was promised', async () => {
  const promised = new Set<string>();
  const writing = new AbortController();
  const writer = (async () => {
    for (let n = 0; !writing.signal.aborted; n += 1) {
      const code = await codeOf(put(`k${n}`, 'x'));
      if (code === 'no error') promised.add(`k${n}`);
    }
  })();
  for (let n = 0; n < 30; n += 1) {
    const code = await codeOf(store.deleteBucket(never));
    expect(['no error', 'store-failed', 'object-changed']).toContain(code);
    if (code === 'no error') expect(promised.size).toBe(0);
    await store.createBucket(never);
    for (const key of promised) expect(await text(key)).toBe('x');
    await store.deleteMany([...promised], never);
    promised.clear();
  }
  writing.abort();
  await writer;
});
