/** What the conformance suite cannot show: faults on the way, what is asked of the service, and what is not. */

import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cancelled } from '../../../protocol/base/abort.ts';
import { type GcsAccess, type GcsOptions, openGcsStore } from '../../../protocol/store/gcs/gcs-store.ts';
import type { ObjectStore } from '../../../protocol/store/object-store.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { crc32c } from '../../helpers/gcs/crc32c.ts';
import { GcsError } from '../../helpers/gcs/gcs-error.ts';
import { type GcsServer, startGcsServer } from '../../helpers/gcs-server.ts';
import { noise } from '../../helpers/noise.ts';
import { collected } from '../../helpers/store-suite.ts';

const never = new AbortController().signal;
const bucket = 'tow-unit';
const mib = 1 << 20;

let server: GcsServer;
let store: ObjectStore;

beforeEach(async () => {
  server = await startGcsServer({ token: 'secret', rewriteBytes: 100_000 });
  store = await openStore();
  await store.createBucket(never);
  server.requests.length = 0;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server[Symbol.asyncDispose]();
});

async function openStore(access: Partial<GcsAccess> = {}, options: GcsOptions = {}): Promise<ObjectStore> {
  const credentials = { type: 'token', token: 'secret' } as const;
  return await openGcsStore(
    { service: 'gcs', bucket, project: 'p', endpoint: server.url, credentials, ...access },
    options,
  );
}

const put = async (key: string, bytes: Uint8Array | string) => await store.put(key, Buffer.from(bytes), {}, never);
const read = async (key: string, of = store) => await collected((await of.get(key, {}, never)).bytes);
const names = (): string[] =>
  server.buckets
    .get(bucket)
    .list('', undefined, undefined, 1000)
    .items.map(({ name }) => name);

/** A download's head, of `size` bytes. */
function downloadHead(response: ServerResponse, size: number, more: Record<string, string> = {}): void {
  response.writeHead(200, {
    'x-goog-generation': '1',
    'x-goog-stored-content-length': String(size),
    'last-modified': new Date().toUTCString(),
    ...more,
  });
}

/** Every request below `path` is answered so. */
function answerWith(status: number, body: string, path = '/'): void {
  server.intercept = (request, response) => {
    if (request.url?.includes(path) !== true) return false;
    response.writeHead(status).end(body);
    return true;
  };
}

describe('on the way', () => {
  test('nothing is tried twice: that is for others to do', async () => {
    server.refuse(new GcsError(503, 'backendError', 'sorry'), 1);
    expect(await codeOf(store.head('x', never))).toBe('store-unreachable');
    server.refuse(new GcsError(429, 'rateLimitExceeded', 'slower'), 1);
    expect(await codeOf(put('x', 'x'))).toBe('store-throttled');
    expect(server.requests).toHaveLength(2);
    expect(await codeOf(put('x', 'x'))).toBe('no error');
  });

  test('a body that breaks off, in the middle or at its end, or is of another size', async () => {
    server.intercept = (_request, response) => {
      downloadHead(response, 1000, { 'content-length': '1000' });
      response.write(Buffer.alloc(500), () => response.destroy());
      return true;
    };
    const broken = read('x');
    await expect(broken).rejects.toMatchObject({ code: 'store-unreachable', retryable: true });
    for (const sent of [999, 1001]) {
      server.intercept = (_request, response) => {
        downloadHead(response, 1000);
        response.end(Buffer.alloc(sent));
        return true;
      };
      await expect(read('x'), String(sent)).rejects.toMatchObject({ code: 'store-unreachable', retryable: true });
    }
  });

  test('a peer that falls silent, before the answer or within it', async () => {
    const impatient = await openStore({}, { silenceMs: 50 });
    server.intercept = () => true;
    expect(await codeOf(impatient.head('x', never))).toBe('store-unreachable');
    server.intercept = (_request, response) => {
      downloadHead(response, 1000);
      response.write(Buffer.alloc(500));
      return true;
    };
    expect(await codeOf(read('x', impatient))).toBe('store-unreachable');
  });

  test('a reader that takes its time is no silence', async () => {
    await put('slow', noise(1, 4 * mib));
    const impatient = await openStore({}, { silenceMs: 100 });
    let length = 0;
    for await (const chunk of (await impatient.get('slow', {}, never)).bytes) {
      if (length === 0) {
        // Until another request has found the time too long, twice.
        server.intercept = () => true;
        for (let n = 0; n < 2; n += 1) expect(await codeOf(impatient.head('x', never))).toBe('store-unreachable');
        server.intercept = undefined;
      }
      length += chunk.length;
    }
    expect(length).toBe(4 * mib);
  });

  test('nobody there', async () => {
    const lost = await openStore({ endpoint: 'http://127.0.0.1:1' });
    await expect(lost.head('x', never)).rejects.toMatchObject({ code: 'store-unreachable', retryable: true });
  });

  test('answers that are not Google’s', async () => {
    for (const body of [
      '<html>log in to the wifi</html>',
      '{}',
      '{"name":"x","size":"-1","generation":"1","updated":"now"}',
    ]) {
      answerWith(200, body);
      expect(await codeOf(store.head('x', never)), body).toBe('store-failed');
      expect(await codeOf(store.get('x', {}, never)), body).toBe('store-failed');
    }
  });

  test('a range that was not asked for is not taken', async () => {
    server.intercept = (_request, response) => {
      response.writeHead(206, {
        'x-goog-generation': '1',
        'x-goog-stored-content-length': '100',
        'last-modified': new Date().toUTCString(),
        'content-range': 'bytes 1-10/100',
      });
      response.end(Buffer.alloc(10));
      return true;
    };
    const range = { start: 0, end: 10 };
    expect(await codeOf(store.get('x', { range }, never))).toBe('store-failed');
    expect(await codeOf(store.get('x', { range: { start: 1, end: 11 } }, never))).toBe('no error');
  });

  test('a put that is cancelled ends, and so does its request', async () => {
    const stop = new AbortController();
    const gone = new Promise<void>((resolve) => {
      server.intercept = (request) => {
        request.resume();
        request.socket.once('close', resolve);
        stop.abort(cancelled());
        return true;
      };
    });
    expect(await codeOf(store.put('x', noise(2, 8 * mib), {}, stop.signal))).toBe('cancelled');
    await gone;
    expect(names()).toEqual([]);
  });

  test('a body that nobody reads ends with its signal', async () => {
    const gone = new Promise<void>((resolve) => {
      server.intercept = (request, response) => {
        request.socket.once('close', resolve);
        downloadHead(response, 10);
        response.write('x');
        return true;
      };
    });
    const stop = new AbortController();
    const { bytes } = await store.get('x', {}, stop.signal);
    stop.abort(cancelled());
    await gone;
    expect(await codeOf(collected(bytes))).toBe('cancelled');
  });
});

describe('who asks, and where', () => {
  test('a token that has ended is not sent', async () => {
    const credentials = { type: 'token', token: 'secret', expiresAt: 1000 } as const;
    let now = 999;
    const clock = { now: () => now, sleep: () => Promise.reject(new Error('no sleep')) };
    const brief = await openStore({ credentials }, { clock });
    expect(await codeOf(brief.head('x', never))).toBe('no error');
    now = 1000;
    expect(await codeOf(brief.head('x', never))).toBe('credentials-expired');
    expect(server.requests).toHaveLength(1);
  });

  test('a token that is not taken is in no error', async () => {
    const wrong = await openStore({ credentials: { type: 'token', token: 'hush-hush' } });
    const error: unknown = await wrong.head('x', never).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'credentials-expired' });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hush');
  });

  test('nobody in particular: public buckets alone', async () => {
    const anonymous = await openStore({ credentials: { type: 'none' } });
    expect(await codeOf(anonymous.head('x', never))).toBe('credentials-missing');
    expect(await codeOf(anonymous.get('x', {}, never))).toBe('credentials-missing');
    await using open = await startGcsServer();
    open.buckets.insert(bucket, {}).write('x', Buffer.from('public'), {}, {});
    expect((await read('x', await openStore({ credentials: { type: 'none' }, endpoint: open.url }))).toString()).toBe(
      'public',
    );
  });

  test("the node's own credentials, by Google's library", async () => {
    const tokens = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ access_token: 'secret', expires_in: 3600, token_type: 'Bearer' }));
    });
    await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve));
    const address = tokens.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const directory = await mkdtemp(join(tmpdir(), 'tow-adc-'));
    const file = join(directory, 'adc.json');
    await writeFile(join(directory, 'subject'), 'a subject token');
    const account = {
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `http://127.0.0.1:${port}/token`,
      credential_source: { file: join(directory, 'subject') },
    };
    await writeFile(file, JSON.stringify(account));
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', file);
    try {
      await put('x', 'x');
      expect((await read('x', await openStore({ credentials: { type: 'node' } }))).toString()).toBe('x');
    } finally {
      tokens.closeAllConnections();
      tokens.close();
    }
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', join(directory, 'none.json'));
    const none = await openStore({ credentials: { type: 'node' } });
    expect(await codeOf(none.head('x', never))).toBe('credentials-missing');
  });

  test('the environment says nothing', async () => {
    for (const name of ['STORAGE_EMULATOR_HOST', 'HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY'])
      vi.stubEnv(name, 'http://127.0.0.1:1');
    await put('x', 'x');
    expect((await read('x')).toString()).toBe('x');
  });
});

describe('objects', () => {
  test('names that would be the bucket in an URL are asked for nowhere', async () => {
    for (const key of ['', '.', '..', '\ud800', '.towline-parts/x']) {
      expect(await store.head(key, never)).toBeUndefined();
      expect(await codeOf(store.get(key, {}, never))).toBe('object-missing');
      expect(await codeOf(store.copy(key, 'x', {}, never))).toBe('object-missing');
      expect(await codeOf(store.copy('x', key, {}, never))).toBe('unsafe-key');
      expect(await codeOf(put(key, 'x'))).toBe('unsafe-key');
      expect(await codeOf(store.startUpload(key, {}, never))).toBe('unsafe-key');
      await store.delete(key, never);
    }
    expect(await codeOf(openStore({ bucket: '../x' }))).toBe('bucket-missing');
    expect(server.requests).toEqual([]);
    for (const key of ['a/../b', './c', '../d', 'e/.']) {
      await put(key, key);
      expect((await read(key)).toString()).toBe(key);
    }
    expect(names()).toEqual(['../d', './c', 'a/../b', 'e/.']);
  });

  test('a get is one request, head and all', async () => {
    await put('x', 'x');
    server.requests.length = 0;
    await read('x');
    expect(server.requests).toEqual([`GET /${bucket}/x`]);
  });

  test('what is stored compressed is read as it is stored, in ranges too', async () => {
    const gzip = Buffer.from('H4sIAAAAAAAAAyvISczMAwDNdKCGBQAAAA==', 'base64');
    server.buckets.get(bucket).write('gz', gzip, { contentEncoding: 'gzip' }, {});
    expect((await read('gz')).equals(gzip)).toBe(true);
    const { head, bytes } = await store.get('gz', { range: { start: 2, end: 9 } }, never);
    expect((await collected(bytes)).equals(gzip.subarray(2, 9))).toBe(true);
    expect(head.size).toBe(gzip.length);
  });

  test('bytes that were damaged on the way are not taken', async () => {
    const bytes = Buffer.from('as they are');
    const writing = store.put('x', bytes, {}, never);
    bytes[0] = 0;
    expect(await codeOf(writing)).toBe('store-failed');
    expect(names()).toEqual([]);
  });

  test('what others named in capitals or in other letters is found in small ones, by head and by get', async () => {
    server.buckets.get(bucket).write('x', Buffer.from('x'), { metadata: { Mode: 'grün' } }, {});
    expect((await store.head('x', never))?.metadata).toEqual({ mode: 'grün' });
    expect((await store.get('x', {}, never)).head.metadata).toEqual({ mode: 'grün' });
  });

  test('a copy that takes several calls says in each what is replaced', async () => {
    await put('from', noise(3, 450_000));
    server.requests.length = 0;
    await store.copy('from', 'to', { replace: { contentType: 'text/x', metadata: { a: 'b' } } }, never);
    expect(server.requests).toHaveLength(5);
    expect(await store.head('to', never)).toMatchObject({ contentType: 'text/x', metadata: { a: 'b' }, size: 450_000 });
  });

  test('of many deletes, what is not allowed is named; what fails all of them is thrown', async () => {
    for (const key of ['a', 'held', 'z']) await put(key, 'x');
    answerWith(403, '', '/o/held');
    expect(await store.deleteMany(['a', 'held', 'z'], never)).toEqual([
      { key: 'held', message: expect.stringContaining('not allowed') },
    ]);
    answerWith(429, '', '/o/held');
    expect(await codeOf(store.deleteMany(['held'], never))).toBe('store-throttled');
  });
});

describe('uploads', () => {
  test('hundreds of parts are put together in rounds, and leave nothing behind', async () => {
    // One more than two rounds take.
    const parts = Array.from({ length: 32 * 32 + 1 }, (_, n) => noise(n, 100 + n));
    const upload = await store.startUpload('big', { metadata: { a: 'b' } }, never);
    for (let from = 0; from < parts.length; from += 25)
      await Promise.all(
        parts.slice(from, from + 25).map(async (bytes, n) => await upload.part(from + n + 1, bytes, never)),
      );
    expect(names().every((name) => name.startsWith('.towline-parts/'))).toBe(true);
    expect(await store.list({ prefix: '' }, never)).toMatchObject({ objects: [] });
    expect(await store.list({ prefix: '', delimiter: '/' }, never)).toMatchObject({ prefixes: [] });
    server.requests.length = 0;
    await upload.complete(never);
    expect(server.requests.filter((line) => line.includes('/compose'))).toHaveLength(33 + 2 + 1);
    expect(names()).toEqual(['big']);
    expect((await read('big')).equals(Buffer.concat(parts))).toBe(true);
    const head = await store.head('big', never);
    const { hex = '' } = head?.checksum ?? {};
    expect(head).toMatchObject({ md5: undefined, checksum: { algorithm: 'crc32c' } });
    expect(Buffer.from(hex, 'hex').toString('base64')).toBe(crc32c(Buffer.concat(parts)));
    expect((await store.get('big', { range: { start: 5, end: 9 } }, never)).head).toEqual(head);
  });

  test('without a part it is an empty object', async () => {
    const upload = await store.startUpload('empty', { contentType: 'text/x' }, never);
    expect(await upload.complete(never)).toMatchObject({ key: 'empty', size: 0 });
  });

  test('numbers with a gap are no object', async () => {
    const upload = await store.startUpload('gap', {}, never);
    await upload.part(1, Buffer.from('1'), never);
    await upload.part(3, Buffer.from('3'), never);
    await expect(upload.complete(never)).rejects.toThrow('gaps');
    await upload.abort();
    expect(names()).toEqual([]);
  });

  test('complete can be asked again when its answer was lost', async () => {
    const upload = await store.startUpload('again', {}, never);
    await upload.part(1, Buffer.from('1'), never);
    await upload.part(2, Buffer.from('2'), never);
    server.refuse(new GcsError(503, 'backendError', 'lost'), 1);
    expect(await codeOf(upload.complete(never))).toBe('store-unreachable');
    await upload.complete(never);
    expect((await read('again')).toString()).toBe('12');
    expect(names()).toEqual(['again']);
  });

  test('abort does not reject, and takes along a part that is still on its way', async () => {
    const upload = await store.startUpload('x', {}, never);
    const sending = upload.part(1, noise(4, mib), never);
    await upload.abort();
    await sending;
    expect(names()).toEqual([]);
    await upload.part(2, Buffer.from('x'), never);
    server.refuse(new GcsError(403, 'forbidden', 'no'), 1);
    await upload.abort();
    expect(names()).toHaveLength(1);
  });

  test('the parts of those who died: Google removes them, and a bucket is deleted all the same', async () => {
    expect(server.buckets.get(bucket).resource).toMatchObject({
      lifecycle: { rule: [{ action: { type: 'Delete' }, condition: { age: 7, matchesPrefix: ['.towline-parts/'] } }] },
    });
    const upload = await store.startUpload('x', {}, never);
    await upload.part(1, Buffer.from('x'), never);
    await put('theirs', 'x');
    expect(await codeOf(store.deleteBucket(never))).toBe('store-failed');
    expect(names()).toHaveLength(2);
    await store.delete('theirs', never);
    await store.deleteBucket(never);
    expect(await store.bucketExists(never)).toBe(false);
  });
});

describe('buckets', () => {
  test('a name that somebody else has', async () => {
    server.buckets.taken.add('taken-by-others');
    const taken = await openStore({ bucket: 'taken-by-others' });
    expect(await codeOf(taken.createBucket(never))).toBe('bucket-taken');
    expect(await codeOf(taken.bucketExists(never))).toBe('store-forbidden');
  });

  test('without a project none is made', async () => {
    const access = { service: 'gcs', bucket: 'tow-new', endpoint: server.url } as const;
    const store = await openGcsStore({ ...access, credentials: { type: 'token', token: 'secret' } });
    await expect(store.createBucket(never)).rejects.toMatchObject({ code: 'store-failed', hint: expect.any(String) });
  });
});
