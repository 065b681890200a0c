/** A worker that copies from the head: over real TLS on this machine, from a real copy, and from heads that are not what they should be. */
import { appendFileSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CopyOptions, CopyResult } from '../../../agent/copy/copy-root.ts';
import { HeadFirst } from '../../../agent/copy/head/head-first.ts';
import { serveCopied } from '../../../agent/copy/head/serve-copied.ts';
import { type HeadKey, makeHeadKey } from '../../../controller/cluster/head/head-key.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import type { Handlers } from '../../../protocol/link/link.ts';
import { acceptLink } from '../../../protocol/link/open-link.ts';
import { listenTls } from '../../../protocol/link/tls-transport.ts';
import { type HeadMethods, headMethods } from '../../../protocol/wire/copied.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { CopyBench } from '../../helpers/copy-bench.ts';
import { never } from '../../helpers/link-pair.ts';
import { MemoryStore } from '../../helpers/memory-store.ts';
import { noise } from '../../helpers/noise.ts';
import { readTree, type TreeItem } from '../../helpers/tree.ts';

const address = '127.0.0.1';
let store: MemoryStore;
let head: CopyBench;
let worker: CopyBench;
let key: HeadKey;
let ends: (Disposable | AsyncDisposable)[];

beforeEach(async () => {
  store = new MemoryStore();
  head = new CopyBench(store);
  worker = new CopyBench(store);
  key = await makeHeadKey();
  ends = [head, worker];
});
afterEach(async () => {
  for (const end of ends) await (Symbol.asyncDispose in end ? end[Symbol.asyncDispose]() : end[Symbol.dispose]());
});

const gets = (): string[] => store.calls.filter(({ method }) => method === 'get').map(({ key: asked }) => asked);

const text = (path: string): string => readFileSync(worker.at(path), 'utf8');
/** All that is to be the same on two nodes. */
const treeOf = ({ data }: CopyBench): [string, Partial<TreeItem>][] =>
  [...readTree(data)].map(([path, { kind, mode, content, mtimeNs }]) => [
    path,
    { kind, mode, content, ...(kind === 'dir' ? {} : { mtimeNs }) },
  ]);

/** The head copies, and then serves. */
async function serving(options: Partial<CopyOptions> = {}): Promise<{ readonly port: number } & AsyncDisposable> {
  await head.run(options);
  store.calls.splice(0);
  const { dest, rules, stateDir, source } = head.options(options);
  const pem = { certificate: key.certificate, privateKey: key.privateKey };
  const secret = key.secret.toString('latin1');
  const served = await serveCopied(
    { address, dest, rules, stateDir, source, key: { keyId: key.keyId, secret, ...pem } },
    () => undefined,
    never,
  );
  ends.unshift(served);
  return served;
}

/** A head that answers as it likes. */
async function pretending(handlers: Handlers<HeadMethods>): Promise<{ readonly port: number }> {
  const secretOf = (): Uint8Array => key.secret;
  const listening = await listenTls({ address, ...key }, (socket) => {
    const parts = { local: headMethods, handlers, remote: {} };
    acceptLink(socket, { secretOf, build: 'b', partsFor: () => parts }, never).catch(() => undefined);
  });
  ends.unshift(listening);
  return listening;
}

async function dial(port: number, prefix = '', secret = key.secret, certificate = key.certificate): Promise<HeadFirst> {
  const access = { address, port, keyId: key.keyId, certificate, secret: secret.toString('latin1') };
  const first = await HeadFirst.open(store, { head: access, build: 'b', prefix }, never);
  ends.unshift(first);
  return first;
}

async function copyFrom(first: HeadFirst, options: Partial<CopyOptions> = {}): Promise<CopyResult> {
  return await worker.run(options, store, first.store);
}

describe('what the head has', () => {
  test('comes from there, with modes, times and symlinks, and nothing from the bucket', async () => {
    store.set('p/small', 'small', { metadata: { mode: String(0o100_750), mtime: '1700000000.123456789' } });
    store.set('p/d/large', noise(1, 3 << 20));
    store.set('p/d/parts', noise(2, 2 << 20), { parts: true });
    store.set('p/d/empty', '');
    store.set('p/link', 'd/large', { metadata: { mode: String(0o120_777), mtime: '1600000000' } });
    const { port } = await serving({ prefix: 'p' });
    const first = await dial(port, 'p');
    const result = await copyFrom(first, { prefix: 'p' });
    expect([result.files, result.problems]).toEqual([5, []]);
    expect(gets()).toEqual([]);
    expect([first.bytes, first.failure]).toEqual([result.fetchedBytes, undefined]);
    expect(treeOf(worker)).toEqual(treeOf(head));
    expect(lstatSync(worker.at('small'), { bigint: true }).mtimeNs).toBe(1_700_000_000_123_456_789n);
    expect(readlinkSync(worker.at('link'))).toBe('d/large');
  });

  test('may be one object', async () => {
    store.set('p/one', noise(3, 100_000));
    const { port } = await serving({ prefix: 'p/one' });
    const first = await dial(port, 'p/one');
    await copyFrom(first, { prefix: 'p/one' });
    expect([gets(), first.failure]).toEqual([[], undefined]);
    expect(treeOf(worker)).toEqual(treeOf(head));
  });

  test('is not fetched again', async () => {
    store.set('a', 'a');
    const { port } = await serving();
    await copyFrom(await dial(port));
    const again = await dial(port);
    expect((await copyFrom(again)).fetchedBytes).toBe(0);
    expect(again.bytes).toBe(0);
  });
});

describe('the bucket is asked', () => {
  test('for what somebody changed on the head, what the head does not have, and what is newer', async () => {
    for (const name of ['kept', 'changed', 'grown', 'newer']) store.set(name, name);
    const { port } = await serving();
    writeFileSync(head.at('changed'), 'CHANGED');
    appendFileSync(head.at('grown'), '!');
    store.set('newer', 'NEWER');
    store.set('late', 'late');
    const first = await dial(port);
    await copyFrom(first);
    expect(gets().sort()).toEqual(['changed', 'grown', 'late', 'newer']);
    expect(first.bytes).toBe('kept'.length);
    expect(first.failure).toContain('the head does not have');
    expect(['newer', 'changed', 'grown'].map(text)).toEqual(['NEWER', 'changed', 'grown']);
  });

  test.each([
    ['nobody listens there', () => dial(1)],
    [
      'the head has another certificate',
      async () => dial((await serving()).port, '', key.secret, (await makeHeadKey()).certificate),
    ],
    ['the head has another secret', async () => dial((await serving()).port, '', (await makeHeadKey()).secret)],
  ])('for all where %s', async (_, dialled) => {
    store.set('a', 'a');
    const first = await dialled();
    await copyFrom(first);
    expect([gets(), first.bytes]).toEqual([['a'], 0]);
    expect(first.failure).not.toBeUndefined();
  });

  test('for what was on its way when the head died', async () => {
    for (let at = 0; at < 20; at += 1) store.set(`f${at}`, noise(at, 2 << 20));
    await head.run();
    let served = 0;
    const real = await serving();
    const first = await dial(real.port);
    const dying = {
      ...first.store,
      get: async (...asked: Parameters<MemoryStore['get']>) => {
        served += 1;
        if (served === 8) await real[Symbol.asyncDispose]();
        return await first.store.get(...asked);
      },
    };
    const result = await worker.run({}, store, dying);
    expect([result.files, result.problems]).toEqual([20, []]);
    expect(gets().length).toBeGreaterThan(0);
    expect(first.failure).not.toBeUndefined();
    expect(treeOf(worker)).toEqual(treeOf(head));
  });
});

describe('a head that lies', () => {
  const posix = { mode: 0o100_644, mtimeSec: 1, mtimeNsec: 0 };
  const answers: [string, Handlers<HeadMethods>['copied.get']][] = [
    [
      'has other bytes of the same size',
      async (_, { emit, send }) => {
        emit({ size: 4, ...posix });
        await send(Buffer.from('evil'));
        return {};
      },
    ],
    [
      'says another size',
      async (_, { emit, send }) => {
        emit({ size: 5, ...posix });
        await send(Buffer.from('wrong'));
        return {};
      },
    ],
    [
      'gives less than it said',
      async (_, { emit, send }) => {
        emit({ size: 4, ...posix });
        await send(Buffer.from('no'));
        return {};
      },
    ],
    [
      'gives more than it said',
      async (_, { emit, send }) => {
        emit({ size: 4, ...posix });
        for (let more = 0; more < 10; more += 1) await send(Buffer.alloc(1000));
        return {};
      },
    ],
    ['says nothing', async () => ({})],
    [
      'breaks off',
      async (_, { emit, send }) => {
        emit({ size: 4, ...posix });
        await send(Buffer.from('go'));
        throw new TowError('object-missing', 'gone');
      },
    ],
    [
      'calls it a symlink',
      async (_, { emit, send }) => {
        emit({ size: 4, ...posix, mode: 0o120_777 });
        await send(Buffer.from('/etc'));
        return {};
      },
    ],
    [
      'calls it a directory',
      async (_, { emit }) => {
        emit({ size: 4, ...posix, mode: 0o040_755 });
        return {};
      },
    ],
  ];
  test.each(answers)('that %s is found out: the bucket is asked', async (_, answer) => {
    store.set('a', 'good');
    const { port } = await pretending({ 'copied.get': answer });
    const result = await copyFrom(await dial(port));
    expect(result.problems).toEqual([]);
    expect(text('a')).toBe('good');
    expect(gets()).toEqual(['a']);
  });
});

test('a place that the head has not copied is not served', async () => {
  store.set('a', 'a');
  await head.run();
  const { dest, rules, stateDir } = head.options();
  const served = serveCopied(
    { address, dest, rules, stateDir, source: 'elsewhere', key: { ...key, secret: key.secret.toString('latin1') } },
    () => undefined,
    never,
  );
  expect(await codeOf(served)).toBe('object-missing');
});
