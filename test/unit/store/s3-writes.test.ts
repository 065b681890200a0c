/** Bytes that go to S3 with our own requests: signed as Amazon's client signs, and what becomes of them at all kinds of servers. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { cancelled } from '../../../protocol/base/abort.ts';
import type { ObjectStore } from '../../../protocol/store/object-store.ts';
import { openS3Store, type S3Access } from '../../../protocol/store/s3/open-s3-store.ts';
import { encodeQuery, SignerV4 } from '../../../protocol/store/s3/sign-v4.ts';
import { amazonRequest } from '../../helpers/amazon-request.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { listen } from '../../helpers/listen.ts';
import { noise } from '../../helpers/noise.ts';

const never = new AbortController().signal;
/** More than goes past Node's client. */
const large = noise(9, 1_500_000);
const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };

describe('a signature is the one that Amazon has for the same headers', () => {
  const value = fc.stringMatching(/^[ -~]{0,30}$/);
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const payload = fc.uint8Array({ maxLength: 50 });
  const token = fc.option(fc.stringMatching(/^[A-Za-z0-9+/=]{1,20}$/), { nil: undefined });

  test('of an object, whatever its metadata', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value), payload, token, async (metadata, body, sessionToken) => {
        const put = new PutObjectCommand({ Bucket: 'b', Key: 'k ü', Body: body, Metadata: metadata, IfNoneMatch: '*' });
        await expectSame({ ...keys, sessionToken }, body, async (client) => await client.send(put));
      }),
      { numRuns: 60 },
    );
  });

  test('of a part', async () => {
    const part = { Bucket: 'b', Key: 'k', UploadId: '2~a/+=', PartNumber: 7, Body: Buffer.from('x') };
    await expectSame(keys, part.Body, async (client) => await client.send(new UploadPartCommand(part)));
  });

  async function expectSame(
    identity: typeof keys & { readonly sessionToken?: string | undefined },
    body: Uint8Array,
    send: Parameters<typeof amazonRequest>[1],
  ): Promise<void> {
    const { path, query = {}, headers } = await amazonRequest(identity, send);
    const authorization = headers['authorization'] ?? '';
    const names = /SignedHeaders=([^,]*)/.exec(authorization)?.[1]?.split(';') ?? [];
    const date = headers['x-amz-date'] ?? '';
    const signed = new SignerV4('eu-central-1').sign(
      {
        method: 'PUT',
        host: headers['host'] ?? '',
        path,
        query: encodeQuery(Object.entries(query)),
        headers: Object.fromEntries(names.map((each) => [each, headers[each] ?? ''])),
        payload: createHash('sha256').update(body).digest('hex'),
      },
      identity,
      Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')),
    );
    expect(signed['authorization']).toBe(authorization);
  }
});

interface BucketOptions {
  readonly newer?: S3Access['credentials'];
  readonly writeSilenceMs?: number;
}

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

describe('a write', () => {
  let server: Server | undefined;
  const seen: Seen[] = [];
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    seen.length = 0;
  });

  /** A bucket of a server that answers as `answer` does, once the body is there. */
  async function bucketAt(
    answer: (response: ServerResponse, request: Seen) => void,
    options: BucketOptions = {},
  ): Promise<ObjectStore> {
    return await bucketOf((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, headers } = request;
        const one = { method, url, headers, body: Buffer.concat(chunks) };
        seen.push(one);
        answer(response, one);
      });
    }, options);
  }

  async function bucketOf(
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    { newer = { type: 'keys', ...keys }, writeSilenceMs = 30_000 }: BucketOptions = {},
  ): Promise<ObjectStore> {
    const listening = createServer(serve);
    server = listening;
    const port = await listen(listening);
    const access: S3Access = {
      service: 's3',
      provider: 'other',
      bucket: 'b',
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { type: 'keys', ...keys },
    };
    return openS3Store(access, {
      connections: 4,
      writeSilenceMs,
      refresh: async () => ({ ...access, credentials: newer }),
    });
  }

  const ok = (response: ServerResponse): void =>
    void response.writeHead(200, { etag: '"the-etag"', 'content-length': 0 }).end();
  const refuse = (response: ServerResponse, status: number, code: string, headers = {}): void =>
    void response.writeHead(status, headers).end(`<Error><Code>${code}</Code><Message>no</Message></Error>`);

  test('has its bytes, what guards them, type, metadata, condition', async () => {
    const store = await bucketAt(ok);
    const bytes = noise(1, 3000);
    const options = { contentType: 'text/x', metadata: { mode: '33188', note: ' a  "b" ' } };
    expect(await store.put('d/k é+', bytes, { ...options, condition: { type: 'absent' } }, never)).toEqual({
      key: 'd/k é+',
      size: 3000,
      version: 'the-etag',
    });
    await store.put('k', Buffer.alloc(0), { condition: { type: 'version', version: 'v' } }, never);
    const [first, second] = seen;
    expect(first?.body.equals(bytes)).toBe(true);
    expect(first).toMatchObject({
      method: 'PUT',
      url: '/b/d/k%20%C3%A9%2B',
      headers: {
        'content-md5': createHash('md5').update(bytes).digest('base64'),
        'x-amz-content-sha256': createHash('sha256').update(bytes).digest('hex'),
        'content-length': '3000',
        'content-type': 'text/x',
        'x-amz-meta-mode': '33188',
        'x-amz-meta-note': 'a  "b"',
        'if-none-match': '*',
      },
    });
    expect(first?.headers['authorization']).toContain(
      'SignedHeaders=content-md5;content-type;host;if-none-match;x-amz-content-sha256;x-amz-date;x-amz-meta-mode;x-amz-meta-note,',
    );
    expect(second?.headers).toMatchObject({
      'content-length': '0',
      'content-type': 'application/octet-stream',
      'if-match': '"v"',
    });
  });

  test('whose MD5 is known is not hashed again', async () => {
    const store = await bucketAt(ok);
    await store.put('k', Buffer.from('x'), { md5: '00112233445566778899aabbccddeeff' }, never);
    expect(seen[0]?.headers['content-md5']).toBe('ABEiM0RVZneImaq7zN3u/w==');
  });

  test('goes to the region that the service names, once', async () => {
    const store = await bucketAt((response, { headers }) => {
      if (String(headers['authorization']).includes('/eu-west-3/')) ok(response);
      else refuse(response, 301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-3' });
    });
    await store.put('k', large, {}, never);
    expect(seen.map(({ body }) => body.equals(large))).toEqual([true, true]);
    await store.put('k', Buffer.from('there'), {}, never);
    expect(seen).toHaveLength(3);
  });

  test('goes there also when others that were sent with it moved first', async () => {
    const waiting: (() => void)[] = [];
    const store = await bucketAt((response, { headers }) => {
      if (String(headers['authorization']).includes('/eu-west-3/')) return ok(response);
      waiting.push(() => refuse(response, 301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-3' }));
      if (waiting.length === 3) for (const go of waiting) go();
    });
    const puts = ['a', 'b', 'c'].map(async (key) => await store.put(key, large, {}, never));
    expect((await Promise.all(puts)).map(({ key }) => key)).toEqual(['a', 'b', 'c']);
  });

  test('is made with newer keys when these were replaced meanwhile, and not again with the same', async () => {
    const answer = (response: ServerResponse, { headers }: Seen): void => {
      if (String(headers['authorization']).includes('Credential=newer/')) ok(response);
      else refuse(response, 403, 'InvalidAccessKeyId');
    };
    const newer = { type: 'keys', accessKeyId: 'newer', secretAccessKey: 'other' } as const;
    await (await bucketAt(answer, { newer })).put('k', large, {}, never);
    expect(seen).toHaveLength(2);
    seen.length = 0;
    expect(await codeOf((await bucketAt(answer)).put('k', large, {}, never))).toBe('credentials-refused');
    expect(seen).toHaveLength(1);
  });

  test('is made with newer keys when the service says that these have ended, once', async () => {
    const newer = { type: 'keys', accessKeyId: 'newer', secretAccessKey: 'other' } as const;
    const store = await bucketAt(
      (response, { headers }) => {
        if (String(headers['authorization']).includes('Credential=newer/')) ok(response);
        else refuse(response, 400, 'ExpiredToken');
      },
      { newer },
    );
    await store.put('k', large, {}, never);
    expect(seen).toHaveLength(2);

    const other = await bucketAt((response) => refuse(response, 400, 'ExpiredToken'), { newer });
    seen.length = 0;
    expect(await codeOf(other.put('k', large, {}, never))).toBe('credentials-expired');
    expect(seen).toHaveLength(2);
  });

  test.each([
    [403, 'AccessDenied', 'store-forbidden'],
    [404, 'NoSuchBucket', 'bucket-missing'],
    [412, 'PreconditionFailed', 'object-changed'],
    [409, 'ConditionalRequestConflict', 'object-changed'],
    [503, 'SlowDown', 'store-throttled', 1],
    [500, 'InternalError', 'store-unreachable', 1],
    [400, 'RequestTimeout', 'store-unreachable'],
    [400, 'BadDigest', 'store-failed'],
    [307, 'TemporaryRedirect', 'store-failed'],
  ])('that is answered %i %s is %s', async (status, code, ours, asked = 2) => {
    const store = await bucketAt((response) => refuse(response, status, code));
    expect(await codeOf(store.put('k', large, {}, never))).toBe(ours);
    expect(seen).toHaveLength(1);
    // A small one is asked again by the client that understands why, unless the service has too much to do.
    expect(await codeOf(store.put('k', Buffer.from('x'), {}, never))).toBe(ours);
    expect(seen).toHaveLength(1 + asked);
  });

  test('without an ETag in its answer has failed', async () => {
    const store = await bucketAt((response) => void response.writeHead(200).end());
    expect(await codeOf(store.put('k', Buffer.from('x'), {}, never))).toBe('store-failed');
  });

  test.each([
    ['small', Buffer.from('x')],
    ['large', large],
  ])('that nobody answers, or whose connection breaks, can be tried again: a %s one', async (_, bytes) => {
    const silent = await bucketAt(() => undefined, { writeSilenceMs: 300 });
    await expect(silent.put('k', bytes, {}, never)).rejects.toMatchObject({
      code: 'store-unreachable',
      retryable: true,
      message: 's3://b/k: no byte came for 0.3 s',
    });
    const broken = await bucketAt((response) => response.socket?.resetAndDestroy());
    await expect(broken.put('k', bytes, {}, never)).rejects.toMatchObject({
      code: 'store-unreachable',
      retryable: true,
    });
  });

  test('that is slow to be taken is not silent', async () => {
    const bytes = noise(2, 12 << 20);
    let got = 0;
    const store = await bucketOf(
      (request, response) => {
        request.on('data', (chunk: Buffer) => {
          const pause = got >> 20 !== (got + chunk.length) >> 20;
          got += chunk.length;
          if (!pause) return;
          request.pause();
          setTimeout(() => request.resume(), 100);
        });
        request.on('end', () => ok(response));
      },
      // Less than all of it takes.
      { writeSilenceMs: 1000 },
    );
    await store.put('k', bytes, {}, never);
    expect(got).toBe(bytes.length);
  });

  test('that is refused before all of it was sent says why, and holds no connection', async () => {
    const store = await bucketOf((request, response) => {
      request.pause();
      refuse(response, 403, 'AccessDenied');
    });
    for (let n = 0; n < 6; n += 1)
      expect(await codeOf(store.put('k', noise(3, 32 << 20), {}, never))).toBe('store-forbidden');
  });

  test.each([
    ['small', Buffer.alloc(1 << 20)],
    ['large', large],
  ])('that is cancelled ends at once: a %s one', async (_, bytes) => {
    let closed: (() => void) | undefined;
    const wasClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const stop = new AbortController();
    const store = await bucketOf((request) => {
      request.resume().socket.once('close', () => closed?.());
      stop.abort(cancelled());
    });
    expect(await codeOf(store.put('k', bytes, {}, stop.signal))).toBe('cancelled');
    await wasClosed;
    expect(await codeOf(store.put('k', Buffer.from('x'), {}, stop.signal))).toBe('cancelled');
  });

  test('with metadata that no header can hold has failed', async () => {
    const store = await bucketAt(ok);
    for (const metadata of [{ a: 'b\nc' }, { a: 'ü\u0100' }, { 'a: b\r\nc': 'd' }])
      expect(await codeOf(store.put('k', Buffer.from('x'), { metadata }, never))).toBe('store-failed');
    expect(seen).toEqual([]);
  });

  test('goes over the connection of the one before, over another when that was closed meanwhile', async () => {
    const sockets = new Set<unknown>();
    const store = await bucketAt((response) => {
      sockets.add(response.socket);
      ok(response);
    });
    for (let n = 0; n < 10; n += 1) await store.put('k', Buffer.from('x'), {}, never);
    expect(sockets.size).toBe(1);
    server?.closeAllConnections();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await store.put('k', Buffer.from('x'), {}, never);
    expect(sockets.size).toBe(2);
  });

  test.each([
    ['a body', (response: ServerResponse) => void response.writeHead(200, { etag: '"the-etag"' }).end('body')],
    [
      'a body by chunks',
      (response: ServerResponse) => {
        response.writeHead(200, { etag: '"the-etag"' }).write('a');
        response.end('b');
      },
    ],
    [
      'no more on this connection',
      (response: ServerResponse) => {
        response.writeHead(200, { etag: '"the-etag"', connection: 'close', 'content-length': 0 }).end();
      },
    ],
  ])('that is answered with %s is done', async (_, answer) => {
    const store = await bucketAt(answer);
    for (let n = 0; n < 3; n += 1) expect((await store.put('k', Buffer.from('x'), {}, never)).version).toBe('the-etag');
    expect(seen).toHaveLength(3);
  });

  test('of which it is not known whether it was done can be tried again, and is then understood', async () => {
    const store = await bucketAt((response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' });
      ok(response);
    });
    await expect(store.put('k', Buffer.from('x'), {}, never)).rejects.toMatchObject({ retryable: true });
    await store.put('k', Buffer.from('x'), {}, never);
  });
});
