/** Google's own client finds nothing amiss with our server: what the driver is tried against is not of our making alone. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { IdempotencyStrategy, Storage } from '@google-cloud/storage';
import { OAuth2Client } from 'google-auth-library';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GcsServer, startGcsServer } from '../helpers/gcs-server.ts';
import { noise } from '../helpers/noise.ts';

let server: GcsServer;
let storage: Storage;

beforeAll(async () => {
  // Without a token: the client's resumable uploads send none to an address that is not Google's.
  server = await startGcsServer({ rewriteBytes: 300_000 });
  storage = clientOf(server, 'secret');
  await storage.createBucket('oracle');
});
afterAll(async () => await server[Symbol.asyncDispose]());

function clientOf({ url }: GcsServer, token: string): Storage {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: token });
  return new Storage({
    projectId: 'p',
    apiEndpoint: url,
    useAuthWithCustomEndpoint: true,
    authClient,
    retryOptions: { autoRetry: false, maxRetries: 0, idempotencyStrategy: IdempotencyStrategy.RetryNever },
  });
}

async function statusOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => 'no error',
    (error: unknown) => {
      if (!(error instanceof Error)) return error;
      if ('status' in error) return error.status;
      return 'code' in error ? error.code : error;
    },
  );
}

test.each([
  ['multipart', false, {}],
  ['resumable in one request', true, {}],
  ['resumable in chunks', true, { chunkSize: 256 * 1024 }],
])('an upload is taken, and downloaded with its checksums checked: %s', async (name, resumable, options) => {
  const bytes = noise(1, 700_001);
  const file = storage.bucket('oracle').file(`up/${name} +%ü`);
  await file.save(bytes, { resumable, ...options, metadata: { contentType: 'text/x', metadata: { mode: '1' } } });
  const [back] = await file.download({ validation: 'md5' });
  expect(back.equals(bytes)).toBe(true);
  const [metadata] = await file.getMetadata();
  expect(metadata).toMatchObject({ size: String(bytes.length), contentType: 'text/x', metadata: { mode: '1' } });
  expect(metadata.md5Hash).toBe(createHash('md5').update(bytes).digest('base64'));
  const [part] = await file.download({ start: 10, end: 19, validation: false });
  expect(part.equals(bytes.subarray(10, 20))).toBe(true);
});

test('a chunked upload went in chunks', () => {
  const puts = server.requests.filter((line) => line.startsWith('PUT') && line.includes('chunks'));
  expect(puts).toHaveLength(3);
});

test('what is stored compressed comes raw to those who can read it', async () => {
  const file = storage.bucket('oracle').file('gz');
  const gzip = gzipSync('plain');
  await file.save(gzip, { resumable: false, metadata: { contentEncoding: 'gzip' } });
  expect((await file.download({ decompress: false, validation: false }))[0].equals(gzip)).toBe(true);
  expect((await file.download({ validation: 'crc32c' }))[0].toString()).toBe('plain');
});

test('listings: pages, prefixes', async () => {
  const bucket = storage.bucket('oracle');
  for (const name of ['list/a', 'list/b/1', 'list/b/2', 'list/c'])
    await bucket.file(name).save('x', { resumable: false });
  const [all] = await bucket.getFiles({ prefix: 'list/', maxResults: 2 });
  expect(all.map(({ name }) => name)).toEqual(['list/a', 'list/b/1']);
  const [files, , answer] = await bucket.getFiles({ prefix: 'list/', delimiter: '/', autoPaginate: false });
  expect(files.map(({ name }) => name)).toEqual(['list/a', 'list/c']);
  expect(answer).toMatchObject({ prefixes: ['list/b/'] });
});

test('a copy in several calls; compose; metadata; delete', async () => {
  const bucket = storage.bucket('oracle');
  const bytes = noise(2, 1_000_000);
  await bucket.file('big').save(bytes, { resumable: false, metadata: { metadata: { a: 'b' } } });
  const before = server.objects.rewritesContinued;
  await bucket.file('big').copy(bucket.file('copied'));
  expect(server.objects.rewritesContinued - before).toBe(3);
  await bucket.combine([bucket.file('copied'), bucket.file('big')], bucket.file('both'));
  const [both] = await bucket.file('both').download({ validation: 'crc32c' });
  expect(both.equals(Buffer.concat([bytes, bytes]))).toBe(true);
  const [metadata] = await bucket.file('both').getMetadata();
  expect([metadata.md5Hash, metadata.componentCount]).toEqual([undefined, 2]);
  await bucket.file('copied').setMetadata({ metadata: { c: 'd' } });
  expect((await bucket.file('copied').getMetadata())[0].metadata).toEqual({ a: 'b', c: 'd' });
  const many = Array.from({ length: 33 }, () => bucket.file('big'));
  expect(await statusOf(bucket.combine(many, bucket.file('both')))).toBe(400);
  await bucket.file('both').delete();
  expect(await bucket.file('both').exists()).toEqual([false]);
});

test('conditions and refusals have the status that the client knows', async () => {
  const bucket = storage.bucket('oracle');
  const file = bucket.file('if');
  await file.save('1', { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } });
  for (const resumable of [false, true])
    expect(await statusOf(file.save('2', { resumable, preconditionOpts: { ifGenerationMatch: 0 } }))).toBe(412);
  expect(await statusOf(bucket.file('none').download())).toBe(404);
  expect(await statusOf(storage.bucket('none').getFiles())).toBe(404);
  expect(await statusOf(storage.createBucket('oracle'))).toBe(409);
  expect(await statusOf(bucket.delete())).toBe(409);
});

test('only the right token gets in', async () => {
  await using closed = await startGcsServer({ token: 'secret' });
  await clientOf(closed, 'secret').createBucket('oracle');
  expect(await statusOf(clientOf(closed, 'wrong').bucket('oracle').getFiles())).toBe(401);
});
