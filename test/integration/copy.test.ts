/**
 * Copies from a real S3 server, through a proxy that does what networks and services do. Each ends right, or with an error
 * that says why and leaves the next run less to do; a file under its final name is whole at every moment.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../protocol/base/clock.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { listAll } from '../../protocol/store/list-all.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { retrying } from '../../protocol/store/retry.ts';
import { openS3Store, type S3Access } from '../../protocol/store/s3/open-s3-store.ts';
import { codeOf } from '../helpers/code-of.ts';
import { CopyBench } from '../helpers/copy-bench.ts';
import { FaultProxy, type Seen } from '../helpers/fault-proxy.ts';
import { gateway } from '../helpers/gateway.ts';

const { signal } = new AbortController();
const mib = 1 << 20;
const bucket = `flt-copy-${randomBytes(4).toString('hex')}`;
const contents = new Map<string, Buffer>();
const direct = openS3Store(gateway.access(bucket), {
  connections: 8,
  refresh: () => Promise.resolve(gateway.access(bucket)),
});

async function put(key: string, bytes: Buffer): Promise<void> {
  contents.set(key, bytes);
  await direct.put(key, bytes, {}, signal);
}

async function putInParts(key: string, bytes: Buffer): Promise<void> {
  contents.set(key, bytes);
  const upload = await direct.startUpload(key, {}, signal);
  const partBytes = 5 * mib;
  for (let at = 0; at < bytes.length; at += partBytes)
    await upload.part(at / partBytes + 1, bytes.subarray(at, at + partBytes), signal);
  await upload.complete(signal);
}

let proxy: FaultProxy;
let bench: CopyBench;
beforeAll(async () => {
  await direct.createBucket(signal);
  for (let n = 0; n < 40; n += 1) await put(`small/${n % 4}/${n}`, randomBytes(100 + n * 1000));
  await put("odd/ a'b+c%20&=\u00e9\u{1f600}", Buffer.from('odd'));
  await put('empty', Buffer.alloc(0));
  await put('whole', randomBytes(3 * mib));
  await putInParts('parts', randomBytes(21 * mib + 5));
});
afterAll(async () => {
  for await (const page of listAll(direct, '', signal))
    await direct.deleteMany(
      page.map(({ key }) => key),
      signal,
    );
  await direct.deleteBucket(signal);
});
beforeEach(async () => {
  proxy = await FaultProxy.start(gateway.endpoint);
  bench = new CopyBench(undefined, '/dev/shm');
});
afterEach(async () => {
  await proxy.stop();
  bench[Symbol.dispose]();
});

interface OpenOptions {
  readonly silenceMs?: number;
  readonly tries?: number;
  readonly access?: Partial<S3Access>;
  refresh?(): Promise<S3Access>;
}

/** Without faults, and without requests on their way that a run before gave up. */
async function renewProxy(): Promise<void> {
  await proxy.stop();
  proxy = await FaultProxy.start(gateway.endpoint);
}

/** What was tried again, for the test that runs. */
const retried: TowError[] = [];
beforeEach(() => void retried.splice(0));

function through(options: OpenOptions = {}): ObjectStore {
  const { silenceMs = 2000, tries = 10, access } = options;
  const at: S3Access = { ...gateway.access(bucket), endpoint: proxy.endpoint, ...access };
  return retrying(
    openS3Store(at, {
      connections: 32,
      silenceMs,
      refresh: () => options.refresh?.() ?? Promise.reject(new Error('not asked')),
    }),
    { clock: systemClock, tries, random: () => Math.random() / 10, onRetry: (error) => retried.push(error) },
  );
}

/** Copies while somebody looks at what is there: a file with its final name has its object's size, always. */
async function copy(options?: OpenOptions): Promise<Awaited<ReturnType<CopyBench['run']>>> {
  const state = { over: false };
  const run = bench.run({}, through(options)).finally(() => {
    state.over = true;
  });
  run.catch(() => undefined);
  while (!state.over) {
    for (const [key, bytes] of contents) {
      const stats = lstatSync(bench.at(key), { throwIfNoEntry: false });
      if (stats !== undefined) expect(stats.size, `${key} while it is copied`).toBe(bytes.length);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await run;
}

function expectRight(): void {
  for (const [key, bytes] of contents) expect(readFileSync(bench.at(key)).equals(bytes), key).toBe(true);
  const found = readdirSync(bench.data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(found.length).toBe(contents.size);
  expect(readdirSync(join(bench.home, 'state'))).toEqual(['ledger']);
}

const isGet = ({ method, isList }: Seen): boolean => method === 'GET' && !isList;
const isOf = (key: string) => (seen: Seen) => isGet(seen) && seen.url.endsWith(`/${key}`);

test('a bucket comes as it is, with any key and any kind of object; the next run fetches nothing', async () => {
  const { files, problems, fetchedBytes } = await copy();
  expect([files, problems]).toEqual([contents.size, []]);
  expect(fetchedBytes).toBe([...contents.values()].reduce((sum, { length }) => sum + length, 0));
  expectRight();
  proxy.seen.splice(0);
  await copy();
  expect(proxy.seen.filter(isGet)).toEqual([]);
});

describe('what passes is passed through', () => {
  test('503 SlowDown for the first requests, and for a while', async () => {
    proxy.fault = (_, index) =>
      index < 5 || (index > 10 && index < 40) ? { type: 'refuse', status: 503, code: 'SlowDown' } : undefined;
    await copy();
    expectRight();
    expect(new Set(retried.map(({ code }) => code))).toEqual(new Set(['store-throttled']));
  });

  test('500 every fourth time', async () => {
    proxy.fault = (_, index) => (index % 4 === 3 ? { type: 'refuse', status: 500, code: 'InternalError' } : undefined);
    await copy();
    expectRight();
    expect(retried.length).toBeGreaterThan(10);
  });

  test.each([
    ['reset', { type: 'reset', afterBytes: 70_000 }],
    ['ended in order', { type: 'truncate', afterBytes: 70_000 }],
    ['silent', { type: 'hang', afterBytes: 70_000 }],
  ] as const)('connections that are %s in the middle of a body: it goes on there', async (_, fault) => {
    let faults = 0;
    proxy.fault = (seen) =>
      isGet(seen) && /\/(?:whole|parts)$/.test(seen.url) && (faults += 1) <= 4 ? fault : undefined;
    const { fetchedBytes } = await copy({ silenceMs: 1000 });
    expectRight();
    expect(fetchedBytes).toBe([...contents.values()].reduce((sum, { length }) => sum + length, 0));
    expect(retried.length).toBeGreaterThanOrEqual(4);
  });

  test.each([
    ['shorter', { type: 'shorten', bytes: 50 }],
    ['longer', { type: 'lengthen', bytes: 50 }],
  ] as const)('answers that are %s than the object, and say so', async (_, fault) => {
    const faults = new Map<string, number>();
    proxy.fault = (seen) => {
      if (!isGet(seen)) return undefined;
      faults.set(seen.url, (faults.get(seen.url) ?? 0) + 1);
      return faults.get(seen.url) === 1 ? fault : undefined;
    };
    const { problems } = await copy();
    expect(problems).toEqual([]);
    expectRight();
  });

  test('a service that does not answer some requests', async () => {
    proxy.fault = (_, index) => (index % 9 === 0 ? { type: 'hang', afterBytes: undefined } : undefined);
    await copy({ silenceMs: 500 });
    expectRight();
    expect(retried.every(({ code }) => code === 'store-unreachable')).toBe(true);
  });

  test('100 ms to each answer: small objects come side by side', async () => {
    proxy.fault = () => ({ type: 'delay', ms: 100 });
    const started = performance.now();
    await copy();
    expectRight();
    // 47 requests one after the other would take twice as long.
    expect(performance.now() - started).toBeLessThan(2500);
  });

  test('another region: the one that the service names is used', async () => {
    proxy.fault = ({ authorization }) =>
      authorization.includes('/us-east-1/s3/')
        ? undefined
        : { type: 'refuse', status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'us-east-1' } };
    await copy({ access: { region: 'eu-west-9' } });
    expectRight();
    expect(proxy.seen.filter(({ authorization }) => authorization.includes('eu-west-9')).length).toBe(1);
  });
});

describe('credentials that end on the way', () => {
  const other = { accessKeyId: 'OLD', secretAccessKey: 'old', type: 'keys' } as const;

  test('newer ones are asked for, once, and used from then on', async () => {
    let asked = 0;
    proxy.fault = ({ authorization }, index) =>
      authorization.includes('Credential=OLD/') || (index > 20 && asked === 0)
        ? { type: 'refuse', status: 403, code: 'ExpiredToken' }
        : undefined;
    await copy({
      refresh: async () => {
        asked += 1;
        return gateway.access(bucket);
      },
    });
    expectRight();
    expect([asked, retried]).toEqual([1, []]);
  });

  test('none that are any better: an error, and the next run has less to do', async () => {
    proxy.fault = (_, index) => (index > 20 ? { type: 'refuse', status: 400, code: 'ExpiredToken' } : undefined);
    let asked = 0;
    const refresh = async (): Promise<S3Access> => {
      asked += 1;
      return { ...gateway.access(bucket), credentials: other };
    };
    const failure: unknown = await copy({ refresh }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TowError);
    if (failure instanceof TowError) {
      expect([failure.code, failure.hint]).toEqual(['credentials-expired', expect.stringContaining('log in again')]);
      expect(failure.message).not.toContain(gateway.secretAccessKey);
    }
    expect(asked).toBeLessThanOrEqual(2);
    await renewProxy();
    await copy();
    expectRight();
    expect(proxy.seen.filter(isGet).length).toBeLessThan(47);
  });

  test('what writes asks for newer ones too', async () => {
    let asked = 0;
    proxy.fault = ({ authorization }) =>
      authorization.includes('Credential=OLD/') ? { type: 'refuse', status: 403, code: 'ExpiredToken' } : undefined;
    const store = through({
      access: { credentials: other },
      refresh: async () => {
        asked += 1;
        return gateway.access(bucket);
      },
    });
    await store.put('written', Buffer.from('w'), {}, signal);
    expect(asked).toBe(1);
    await store.delete('written', signal);
    expect(asked).toBe(1);
  });
});

describe('what does not pass is an error that says why, and the next run goes on from there', () => {
  test.each([
    [
      'a service that is away',
      () => ({ type: 'refuse', status: 503, code: 'ServiceUnavailable' }) as const,
      'store-throttled',
    ],
    ['a service that never answers', () => ({ type: 'hang', afterBytes: undefined }) as const, 'store-unreachable'],
    [
      'a region that is not named',
      () => ({ type: 'refuse', status: 301, code: 'PermanentRedirect' }) as const,
      'store-failed',
    ],
    [
      'keys that nobody knows',
      () => ({ type: 'refuse', status: 403, code: 'InvalidAccessKeyId' }) as const,
      'credentials-refused',
    ],
    ['access that is lost', () => ({ type: 'refuse', status: 403, code: 'AccessDenied' }) as const, 'store-forbidden'],
  ])('%s', async (_, fault, code) => {
    let left = 15;
    proxy.fault = () => ((left -= 1) >= 0 ? undefined : fault());
    // Newer keys are asked for when these are refused; there are none.
    const refresh = async (): Promise<S3Access> => gateway.access(bucket);
    expect(await codeOf(copy({ tries: 2, silenceMs: 300, refresh }))).toBe(code);
    await renewProxy();
    await copy();
    expectRight();
    expect(proxy.seen.filter(isGet).length).toBeLessThan(47);
  });

  test('a body that is longer each time: the object is no file', async () => {
    proxy.fault = (seen) => (isOf('parts')(seen) ? { type: 'lengthen', bytes: 50 } : undefined);
    expect(await codeOf(copy({ tries: 3 }))).not.toBe('no error');
    expect(lstatSync(bench.at('parts'), { throwIfNoEntry: false })).toBeUndefined();
  });
});

test('an old listing: what was replaced since is fetched as it is, what is gone is left out', async () => {
  await copy();
  const [old] = proxy.listings;
  if (old === undefined) throw new Error('no listing');
  await put('small/0/0', Buffer.from('replaced'));
  const gone = contents.get('small/1/1');
  await direct.delete('small/1/1', signal);
  proxy.fault = (seen) => (seen.isList ? { type: 'replay', answer: old } : undefined);
  await bench.run({}, through());
  proxy.fault = () => undefined;
  await bench.run({}, through());
  contents.delete('small/1/1');
  expectRight();
  await put('small/1/1', gone ?? Buffer.alloc(0));
});

test('connections are let go of, whatever happened on them', async () => {
  proxy.fault = (seen, index) => (isGet(seen) && index % 3 === 0 ? { type: 'lengthen', bytes: 1000 } : undefined);
  const store = through({ tries: 1 });
  for (let n = 0; n < 100; n += 1) {
    const body = await store.get('whole', { range: { start: 0, end: 100_000 } }, signal).catch(() => undefined);
    // The first chunk is enough, or none.
    for await (const _ of body?.bytes ?? []) break;
  }
  expect((await store.head('whole', signal))?.size).toBe(3 * mib);
  expect(proxy.connections).toBeLessThanOrEqual(32);
});
