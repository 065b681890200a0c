/** What is read of the sums that S3 keeps beside an object. Those that the server here gives are judged by Amazon's client. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, test } from 'vitest';
import { checksumHash } from '../../../agent/copy/checksum-hash.ts';
import type { Checksum } from '../../../protocol/store/checksum.ts';
import type { ObjectStore } from '../../../protocol/store/object-store.ts';
import { openS3Store, type S3Access } from '../../../protocol/store/s3/open-s3-store.ts';
import { listen } from '../../helpers/listen.ts';
import { collected } from '../../helpers/store-suite.ts';

const { signal } = new AbortController();
const bytes = Buffer.from('these are the bytes of an object');
const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };

const servers: Server[] = [];
const seen: IncomingMessage[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  seen.length = 0;
});

interface Served {
  /** The headers of an answer, where they are asked for. */
  readonly sums?: Readonly<Record<string, string>>;
  /** Also with a range, and unasked. */
  readonly always?: boolean;
  readonly etag?: string;
  /** Whether who asks may see the sums. */
  readonly mayAsk?: (request: IncomingMessage) => boolean;
}

async function serve({ sums = {}, always = false, etag = 'e-2', mayAsk = () => true }: Served): Promise<string> {
  const listening = createServer((request, response) => {
    seen.push(request);
    const asked = request.headers['x-amz-checksum-mode'] === 'ENABLED';
    if ((asked && !mayAsk(request)) || !isAllSigned(request)) return void response.writeHead(403).end();
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const [start, end] = range === null ? [0, bytes.length] : [Number(range[1]), Number(range[2]) + 1];
    response.writeHead(range === null ? 200 : 206, {
      etag: `"${etag}"`,
      'content-length': end - start,
      ...(range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
      ...(always || (asked && range === null) ? sums : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end));
  });
  servers.push(listening);
  const port = await listen(listening);
  return `http://127.0.0.1:${port}`;
}

/** Amazon refuses a request with a header of its own that is not signed. */
function isAllSigned({ headers }: IncomingMessage): boolean {
  const signed = /SignedHeaders=([^,]*)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? [];
  return Object.keys(headers).every((name) => !name.startsWith('x-amz-') || signed.includes(name));
}

function bucketAt(endpoint: string): ObjectStore {
  const access: S3Access = {
    service: 's3',
    provider: 'other',
    bucket: 'b',
    region: 'us-east-1',
    endpoint,
    credentials: { type: 'keys', ...keys },
  };
  return openS3Store(access, { connections: 1, refresh: async () => access });
}

async function sumOf(algorithm: Checksum['algorithm']): Promise<Checksum & { readonly base64: string }> {
  const hash = await checksumHash(algorithm);
  hash.update(bytes);
  const hex = hash.digest();
  return { algorithm, hex, base64: Buffer.from(hex, 'hex').toString('base64') };
}

describe.each(['sha256', 'sha1', 'crc64nvme', 'crc32c', 'crc32'] as const)('%s', (algorithm) => {
  test('is told by the head and by a whole object', async () => {
    const { base64, hex } = await sumOf(algorithm);
    const endpoint = await serve({ sums: { [`x-amz-checksum-${algorithm}`]: base64 } });
    const store = bucketAt(endpoint);
    expect((await store.head('k', signal))?.checksum).toEqual({ algorithm, hex });
    const whole = await store.get('k', {}, signal);
    expect(whole.head.checksum).toEqual({ algorithm, hex });
    expect((await collected(whole.bytes)).equals(bytes)).toBe(true);
  });

  test("is what Amazon's client accepts, and no other", async () => {
    const { base64 } = await sumOf(algorithm);
    const fetched = async (sum: string): Promise<unknown> => {
      const endpoint = await serve({
        sums: { [`x-amz-checksum-${algorithm}`]: sum, 'x-amz-checksum-type': 'FULL_OBJECT' },
      });
      const client = new S3Client({ region: 'us-east-1', endpoint, forcePathStyle: true, credentials: keys });
      const get = new GetObjectCommand({ Bucket: 'b', Key: 'k', ChecksumMode: 'ENABLED' });
      return await client.send(get).then(async ({ Body }) => await Body?.transformToString());
    };
    expect(await fetched(base64)).toBe(bytes.toString());
    const wrong = Buffer.from(base64, 'base64').fill(7).toString('base64');
    await expect(fetched(wrong)).rejects.toThrow(/[Cc]hecksum/);
  });
});

test('the one that says most is taken', async () => {
  const all = await Promise.all((['crc32', 'crc64nvme', 'sha256', 'crc32c'] as const).map(sumOf));
  const sums = Object.fromEntries(all.map(({ algorithm, base64 }) => [`x-amz-checksum-${algorithm}`, base64]));
  expect((await bucketAt(await serve({ sums })).head('k', signal))?.checksum?.algorithm).toBe('sha256');
});

test('with an MD5 there is no other', async () => {
  const { base64 } = await sumOf('crc32');
  const etag = '00112233445566778899aabbccddeeff';
  const store = bucketAt(await serve({ sums: { 'x-amz-checksum-crc32': base64 }, etag }));
  expect(await store.head('k', signal)).toMatchObject({ md5: etag, checksum: undefined });
});

test('a sum of the sums of parts is none of the bytes', async () => {
  const { base64 } = await sumOf('crc32');
  for (const sums of [
    { 'x-amz-checksum-crc32': `${base64}-2` },
    { 'x-amz-checksum-crc32': base64, 'x-amz-checksum-type': 'COMPOSITE' },
    { 'x-amz-checksum-crc32': 'AAAA' },
    { 'x-amz-checksum-crc32': 'no base64' },
    { 'x-amz-checksum-md99': base64 },
  ] as const) {
    const store = bucketAt(await serve({ sums: { ...sums } }));
    expect((await store.head('k', signal))?.checksum, JSON.stringify(sums)).toBeUndefined();
  }
});

test('what comes with a range may be the sum of a part: it is not believed', async () => {
  const { base64 } = await sumOf('crc32');
  const store = bucketAt(await serve({ sums: { 'x-amz-checksum-crc32': base64 }, always: true }));
  for (const borrow of [true, false]) {
    const part = await store.get('k', { range: { start: 2, end: 9 }, borrow }, signal);
    expect(part.head).toMatchObject({ size: bytes.length, checksum: undefined });
    expect((await collected(part.bytes)).equals(bytes.subarray(2, 9))).toBe(true);
  }
});

test('who may not use the key that an object is under has its head all the same', async () => {
  const store = bucketAt(await serve({ mayAsk: ({ method }) => method !== 'HEAD' }));
  expect(await store.head('k', signal)).toMatchObject({ size: bytes.length, version: 'e-2' });
  expect(seen.map(({ headers }) => headers['x-amz-checksum-mode'])).toEqual(['ENABLED', undefined]);
});
