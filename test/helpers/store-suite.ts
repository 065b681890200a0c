/** What object-store.ts promises, of any implementation. Written against the interface alone. */
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checksumHash } from '../../agent/copy/checksum-hash.ts';
import { cancelled } from '../../protocol/base/abort.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { ChecksumAlgorithm } from '../../protocol/store/checksum.ts';
import type { ListOptions, ObjectStore, WriteOptions } from '../../protocol/store/object-store.ts';
import { codeOf } from './code-of.ts';
import { noise } from './noise.ts';

/** A service that runs. */
export interface StoreService {
  /** Asks nothing of the service: the bucket need not be there. */
  bucket(name: string): Promise<ObjectStore>;
  close(): Promise<void>;
}

export interface StoreCase {
  readonly name: string;
  readonly open: () => Promise<StoreService>;
}

const never = new AbortController().signal;
const mib = 1 << 20;
const metadata = { mode: '33188', mtime: '1700000000.123456789', 'a-note': 'x=1; y "2" %41' };

/** Names that have gone wrong somewhere: in URLs, in XML, as paths, in UTF-16. */
const oddKeys = [
  ' lead and trail ',
  '+%&?#=;:@!$,',
  'a',
  'a b',
  'a%2Fb',
  'a/',
  'a/b',
  'a//b',
  'a/b/c',
  'a+b',
  'a.b',
  '..a',
  'quote\'"<>&amp;',
  'ünï/cödé',
  'u\u0308', // not composed: another name than ü
  'ü',
  '\uff5e', // before the next by UTF-8, after it by UTF-16
  '\u{1f600}',
];

export function storeSuite({ name, open }: StoreCase): void {
  describe(name, () => {
    let service: StoreService;
    let store: ObjectStore;
    let missing: ObjectStore;

    beforeAll(async () => {
      service = await open();
      store = await service.bucket(bucketName());
      missing = await service.bucket(bucketName());
      await store.createBucket(never);
    });

    afterAll(async () => await service.close());

    const put = async (key: string, bytes: Uint8Array | string, options: WriteOptions = {}) =>
      await store.put(key, Buffer.from(bytes), options, never);
    const read = async (key: string, range?: { start: number; end: number }) => {
      const { head, bytes } = await store.get(key, range === undefined ? {} : { range }, never);
      return { head, bytes: await collected(bytes) };
    };
    const pagesOf = async (options: ListOptions) => {
      const pages = [await store.list(options, never)];
      for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next)
        pages.push(await store.list({ ...options, cursor: next }, never));
      return {
        keys: pages.flatMap(({ objects }) => objects.map(({ key }) => key)),
        prefixes: pages.flatMap(({ prefixes }) => prefixes),
        sizes: pages.map(({ objects, prefixes }) => objects.length + prefixes.length),
      };
    };
    const partBytes = () => {
      const { minPartBytes, partMultiple } = store.traits;
      return Math.ceil(Math.max(minPartBytes, 256 * 1024) / partMultiple) * partMultiple;
    };

    test('an object has its bytes, type, metadata, and the same head everywhere', async () => {
      const bytes = noise(1, 100_000);
      const { key, size, version } = await put('head/one', bytes, {
        contentType: 'text/plain; charset=utf-8',
        metadata,
      });
      const written = { key, size, version };
      expect(written).toMatchObject({ key: 'head/one', size: bytes.length });
      const head = await store.head('head/one', never);
      expect(head).toMatchObject({ ...written, contentType: 'text/plain; charset=utf-8', metadata });
      const got = await read('head/one');
      expect(got.bytes.equals(bytes)).toBe(true);
      expect(got.head).toEqual(head);
      const [listed] = (await store.list({ prefix: 'head/one' }, never)).objects;
      expect(listed).toMatchObject(written);
      expect(listed?.modifiedMs).toBe(head?.modifiedMs);
      expect(Math.abs((head?.modifiedMs ?? 0) - Date.now())).toBeLessThan(60_000);
      const md5 = createHash('md5').update(bytes).digest('hex');
      if (head?.md5 !== undefined) expect(head.md5).toBe(md5);
      if (store.traits.versionIsMd5) expect(version).toBe(md5);
    });

    test('without type and metadata there is no metadata', async () => {
      await put('head/bare', 'x');
      expect((await store.head('head/bare', never))?.metadata).toEqual({});
      expect((await read('head/bare')).head.metadata).toEqual({});
    });

    test('an object that is replaced has another version', async () => {
      const before = await put('head/again', 'before');
      const after = await put('head/again', 'after');
      expect(after.version).not.toBe(before.version);
      expect((await read('head/again')).bytes.toString()).toBe('after');
    });

    test('what is missing: no head, object-missing, nothing to delete', async () => {
      expect(await store.head('no/such', never)).toBeUndefined();
      expect(await codeOf(store.get('no/such', {}, never))).toBe('object-missing');
      expect(await codeOf(store.get('no/such', { range: { start: 3, end: 5 } }, never))).toBe('object-missing');
      expect(await codeOf(store.copy('no/such', 'no/other', {}, never))).toBe('object-missing');
      await store.delete('no/such', never);
      expect((await store.list({ prefix: 'no/' }, never)).objects).toEqual([]);
    });

    test('ranges: within, over the end, beyond it, of an empty object', async () => {
      const bytes = noise(2, 3 * mib);
      await put('range/whole', bytes);
      await put('range/empty', '');
      for (const [start, end] of [
        [0, 1],
        [0, bytes.length],
        [5, 1_000_000],
        [bytes.length - 7, bytes.length + 100],
        [0, bytes.length + 1],
        [bytes.length, bytes.length + 1],
        [bytes.length + 50, bytes.length + 60],
      ] as const) {
        const got = await read('range/whole', { start, end });
        expect(got.bytes.equals(bytes.subarray(start, end)), `${start}-${end}`).toBe(true);
        expect(got.head.size).toBe(bytes.length);
      }
      const empty = await read('range/empty');
      expect([empty.bytes.length, empty.head.size]).toEqual([0, 0]);
      expect((await read('range/empty', { start: 0, end: 10 })).bytes.length).toBe(0);
    });

    test('a get of a certain version: that one, or object-changed', async () => {
      const { version } = await put('version/x', 'one');
      const get = async (range?: { start: number; end: number }) =>
        await store.get('version/x', { ifVersion: version, ...(range === undefined ? {} : { range }) }, never);
      expect((await collected((await get({ start: 1, end: 9 })).bytes)).toString()).toBe('ne');
      await put('version/x', 'another');
      expect(await codeOf(get())).toBe('object-changed');
      expect(await codeOf(get({ start: 0, end: 2 }))).toBe('object-changed');
      expect(await codeOf(get({ start: 100, end: 200 }))).toBe('object-changed');
    });

    test('a body that is left early, or cancelled, lets go; others are not touched', async () => {
      const bytes = noise(3, 8 * mib);
      await put('stop/big', bytes);
      for await (const chunk of (await store.get('stop/big', {}, never)).bytes) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      const stop = new AbortController();
      const body = await store.get('stop/big', {}, stop.signal);
      let got = 0;
      const reading = (async () => {
        for await (const chunk of body.bytes) {
          got += chunk.length;
          stop.abort(cancelled());
        }
      })();
      expect(await codeOf(reading)).toBe('cancelled');
      expect(got).toBeLessThan(bytes.length);
      expect((await read('stop/big')).bytes.equals(bytes)).toBe(true);
    });

    test('nothing is begun for a signal that is aborted', async () => {
      const gone = AbortSignal.abort(cancelled());
      expect(await codeOf(store.put('gone/x', Buffer.from('x'), {}, gone))).toBe('cancelled');
      expect(await codeOf(store.get('gone/x', {}, gone))).toBe('cancelled');
      expect(await codeOf(store.list({ prefix: '' }, gone))).toBe('cancelled');
      expect(await codeOf(store.head('gone/x', gone))).toBe('cancelled');
      expect(await store.head('gone/x', never)).toBeUndefined();
    });

    test('a put may want no object, or a certain version of it', async () => {
      const { conditions } = store.traits;
      const first = await put('if/x', 'first', conditions.includes('absent') ? { condition: { type: 'absent' } } : {});
      if (conditions.includes('absent')) {
        expect(await codeOf(put('if/x', 'second', { condition: { type: 'absent' } }))).toBe('object-changed');
        expect((await read('if/x')).bytes.toString()).toBe('first');
      }
      if (conditions.includes('version')) {
        const { version } = await put('if/x', 'third', { condition: { type: 'version', version: first.version } });
        const stale: WriteOptions = { condition: { type: 'version', version: first.version } };
        expect(await codeOf(put('if/x', 'fourth', stale))).toBe('object-changed');
        await store.delete('if/x', never);
        expect(await codeOf(put('if/x', 'fifth', { condition: { type: 'version', version } }))).toMatch(
          /^object-(changed|missing)$/,
        );
        expect(await store.head('if/x', never)).toBeUndefined();
      }
    });

    test('an upload in parts, out of order and at once, is there when it is complete, and not before', async () => {
      const size = partBytes();
      const bytes = noise(4, 3 * size + 1000);
      const upload = await store.startUpload('parts/x', { contentType: 'application/x-thing', metadata }, never);
      const part = async (number: number) =>
        await upload.part(number, bytes.subarray((number - 1) * size, number * size), never);
      await part(4);
      await Promise.all([part(3), part(1), part(2)]);
      // Sent again, as one does who did not hear the answer.
      await part(2);
      expect(await store.head('parts/x', never)).toBeUndefined();
      expect((await pagesOf({ prefix: 'parts/' })).keys).toEqual([]);
      const stat = await upload.complete(never);
      expect(stat).toMatchObject({ key: 'parts/x', size: bytes.length });
      const got = await read('parts/x');
      expect(got.bytes.equals(bytes)).toBe(true);
      expect(got.head).toMatchObject({ ...stat, contentType: 'application/x-thing', metadata });
      expect(got.head.md5 ?? md5Of(bytes)).toBe(md5Of(bytes));
      const { checksum } = got.head;
      expect((await store.head('parts/x', never))?.checksum).toEqual(checksum);
      if (checksum !== undefined) expect(await sumOf(checksum.algorithm, bytes)).toBe(checksum.hex);
    });

    test('an upload of one small part', async () => {
      const upload = await store.startUpload('parts/small', {}, never);
      await upload.part(1, Buffer.from('small'), never);
      await upload.complete(never);
      expect((await read('parts/small')).bytes.toString()).toBe('small');
    });

    test('an upload that is given up leaves nothing, and what was there before', async () => {
      await put('abort/old', 'old');
      for (const key of ['abort/old', 'abort/new']) {
        const upload = await store.startUpload(key, {}, never);
        await upload.part(1, noise(5, partBytes()), never);
        await upload.part(2, Buffer.from('end'), never);
        await upload.abort();
      }
      expect((await pagesOf({ prefix: 'abort/' })).keys).toEqual(['abort/old']);
      expect((await read('abort/old')).bytes.toString()).toBe('old');
    });

    test('an upload keeps its condition when it is complete', async () => {
      const { conditions } = store.traits;
      for (const type of conditions) {
        const key = `parts/if-${type}`;
        const { version } = await put(key, 'first');
        const upload = await store.startUpload(
          key,
          { condition: type === 'absent' ? { type } : { type, version } },
          never,
        );
        await upload.part(1, Buffer.from('mine'), never);
        await put(key, 'theirs');
        expect(await codeOf(upload.complete(never)), type).toBe('object-changed');
        await upload.abort();
        expect((await read(key)).bytes.toString()).toBe('theirs');
      }
    });

    test('a part that is a range of an object', async () => {
      const size = partBytes();
      const source = noise(6, 2 * size);
      const { version } = await put('part-copy/from', source);
      const upload = await store.startUpload('part-copy/to', {}, never);
      const copied = upload.copyPart(1, 'part-copy/from', { start: 10, end: 10 + size }, version, never);
      if (!store.traits.partCopy) {
        expect(await codeOf(copied)).toBe('not-supported');
        await upload.abort();
        return;
      }
      await copied;
      await upload.part(2, Buffer.from('end'), never);
      const stale = upload.copyPart(3, 'part-copy/from', { start: 0, end: 5 }, `${version}0`, never);
      expect(await codeOf(stale)).toBe('object-changed');
      await upload.complete(never);
      const expected = Buffer.concat([source.subarray(10, 10 + size), Buffer.from('end')]);
      expect((await read('part-copy/to')).bytes.equals(expected)).toBe(true);
    });

    test('a copy takes type and metadata along, or replaces both', async () => {
      const bytes = noise(7, 3 * mib + 5);
      const { version } = await put('copy/from', bytes, { contentType: 'text/x-from', metadata });
      const along = await store.copy('copy/from', 'copy/to one + %', { ifVersion: version }, never);
      expect(along).toMatchObject({ key: 'copy/to one + %', size: bytes.length });
      const copied = await read('copy/to one + %');
      expect(copied.bytes.equals(bytes)).toBe(true);
      expect(copied.head).toMatchObject({ ...along, contentType: 'text/x-from', metadata });
      const replace = { contentType: 'text/x-to', metadata: { other: 'yes' } };
      await store.copy('copy/from', 'copy/replaced', { replace }, never);
      expect((await read('copy/replaced')).bytes.equals(bytes)).toBe(true);
      const head = await store.head('copy/replaced', never);
      expect([head?.contentType, head?.metadata]).toEqual(['text/x-to', { other: 'yes' }]);
    });

    test('a copy of another version is object-changed', async () => {
      const { version } = await put('copy/old', 'old');
      await put('copy/old', 'newer');
      expect(await codeOf(store.copy('copy/old', 'copy/never', { ifVersion: version }, never))).toBe('object-changed');
      expect(await store.head('copy/never', never)).toBeUndefined();
    });

    test('a copy onto itself replaces the metadata, and no byte', async () => {
      const bytes = noise(8, 2 * mib);
      await put('copy/self', bytes, { contentType: 'text/x-self', metadata });
      await store.copy(
        'copy/self',
        'copy/self',
        { replace: { contentType: 'text/x-new', metadata: { mode: '1' } } },
        never,
      );
      const { head, bytes: got } = await read('copy/self');
      expect([head.contentType, head.metadata]).toEqual(['text/x-new', { mode: '1' }]);
      expect(got.equals(bytes)).toBe(true);
      await store.copy('copy/self', 'copy/self', { replace: { contentType: 'text/x-new' } }, never);
      expect((await store.head('copy/self', never))?.metadata).toEqual({});
    });

    test('delete one, delete many, missing ones too', async () => {
      for (const key of ['delete/a', 'delete/b', 'delete/c d&<%', 'delete/e']) await put(key, 'x');
      await store.delete('delete/a', never);
      expect(await store.deleteMany(['delete/b', 'delete/none', 'delete/c d&<%'], never)).toEqual([]);
      expect((await pagesOf({ prefix: 'delete/' })).keys).toEqual(['delete/e']);
      expect(await store.deleteMany([], never)).toEqual([]);
    });

    describe('listings', () => {
      let odd: ObjectStore;
      beforeAll(async () => {
        odd = await service.bucket(bucketName());
        await odd.createBucket(never);
        await atOnce(oddKeys, async (key) => void (await odd.put(key, Buffer.from(key), {}, never)));
        const keys = Array.from({ length: 1010 }, (_, n) => `many/${String(n * 7919).padStart(8, '0')}`);
        await atOnce(keys, async (key) => void (await store.put(key, Buffer.from('.'), {}, never)));
      });

      test('odd keys are kept as they are, and read, by UTF-8 order', async () => {
        const { objects, next } = await odd.list({ prefix: '' }, never);
        expect(next).toBeUndefined();
        expect(objects.map(({ key }) => key)).toEqual(byUtf8(oddKeys));
        for (const key of oddKeys) {
          expect((await odd.head(key, never))?.key, key).toBe(key);
          const { bytes } = await odd.get(key, {}, never);
          expect((await collected(bytes)).toString(), key).toBe(key);
        }
      });

      test('a delimiter sums up, a prefix selects, whatever the pages', async () => {
        for (const prefix of ['', 'a', 'a/', 'a//', 'a/b', 'ü', 'nothing']) {
          const below = oddKeys.filter((key) => key.startsWith(prefix));
          const cut = (key: string) => key.indexOf('/', prefix.length);
          const keys = byUtf8(below.filter((key) => cut(key) < 0));
          const prefixes = byUtf8([
            ...new Set(below.filter((key) => cut(key) >= 0).map((key) => key.slice(0, cut(key) + 1))),
          ]);
          for (const limit of [undefined, 3, 1]) {
            const found = { keys: [] as string[], prefixes: [] as string[] };
            let cursor: string | undefined;
            do {
              const options = { prefix, delimiter: '/', ...(limit === undefined ? {} : { limit }) } as const;
              const page = await odd.list({ ...options, ...(cursor === undefined ? {} : { cursor }) }, never);
              expect(page.objects.length + page.prefixes.length).toBeLessThanOrEqual(limit ?? 1000);
              found.keys.push(...page.objects.map(({ key }) => key));
              found.prefixes.push(...page.prefixes);
              cursor = page.next;
            } while (cursor !== undefined);
            expect(found, `${prefix} by ${limit}`).toEqual({ keys, prefixes });
          }
        }
      });

      test('more than a page of keys', async () => {
        const { keys, sizes } = await pagesOf({ prefix: 'many/' });
        expect(keys).toHaveLength(1010);
        expect(keys).toEqual(byUtf8(keys));
        expect(new Set(keys).size).toBe(1010);
        expect(Math.max(...sizes)).toBeLessThanOrEqual(1000);
        expect((await pagesOf({ prefix: 'many/', limit: 300 })).keys).toEqual(keys);
        expect((await pagesOf({ prefix: '', delimiter: '/' })).prefixes).toContain('many/');
        expect(await store.deleteMany(keys.slice(0, 1000), never)).toEqual([]);
        expect((await pagesOf({ prefix: 'many/' })).keys).toEqual(keys.slice(1000));
      });
    });

    test('buckets: made once and again, found, deleted when empty', async () => {
      const bucket = await service.bucket(bucketName());
      expect(await bucket.bucketExists(never)).toBe(false);
      await bucket.deleteBucket(never);
      await bucket.createBucket(never);
      await bucket.createBucket(never);
      expect(await bucket.bucketExists(never)).toBe(true);
      await bucket.put('x', Buffer.from('x'), {}, never);
      expect(await codeOf(bucket.deleteBucket(never))).toBe('store-failed');
      await bucket.delete('x', never);
      await bucket.deleteBucket(never);
      expect(await bucket.bucketExists(never)).toBe(false);
    });

    test('in a bucket that is missing everything is bucket-missing', async () => {
      const calls: Record<string, () => Promise<unknown>> = {
        list: async () => await missing.list({ prefix: '' }, never),
        get: async () => await missing.get('x', {}, never),
        put: async () => await missing.put('x', Buffer.from('x'), {}, never),
        copy: async () => await missing.copy('x', 'y', {}, never),
        delete: async () => await missing.delete('x', never),
        deleteMany: async () => await missing.deleteMany(['x', 'y'], never),
        upload: async () => await (await missing.startUpload('x', {}, never)).part(1, Buffer.from('x'), never),
      };
      const codes: Record<string, string> = {};
      for (const [call, run] of Object.entries(calls)) codes[call] = await codeOf(run());
      expect(codes).toEqual(Object.fromEntries(Object.keys(calls).map((call) => [call, 'bucket-missing'])));
    });
  });
}

function bucketName(): string {
  return `tow-test-${randomUUID().slice(0, 18)}`;
}

export async function collected(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function sumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Promise<string> {
  const hash = await checksumHash(algorithm);
  hash.update(bytes);
  return hash.digest();
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

function byUtf8(keys: readonly string[]): string[] {
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Sixteen at a time. */
async function atOnce<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const group = new TaskGroup();
  for (let n = 0; n < 16; n += 1)
    group.run(async () => {
      for (const item of queue) await task(item);
    });
  await group.wait();
}
