/** Chunks that go through an object store: whatever happens to it, and in whatever order, a node has the source's bytes in the end. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collect } from '../../controller/via/collect.ts';
import { IndexCache } from '../../controller/via/index-cache.ts';
import { mendPacks } from '../../controller/via/mend-packs.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { type Digest, digestHex } from '../../protocol/chunk/digest.ts';
import { encodeCatalogue } from '../../protocol/via/catalogue.ts';
import { decodePackIndex, encodePackIndex } from '../../protocol/via/pack-index.ts';
import { digestOfHex } from '../../protocol/via/via-keys.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { noise } from '../helpers/noise.ts';
import { type PlainSnapshot, plainSnapshot } from '../helpers/plain-source.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';
import { publish, pullVia, viaPrefix } from '../helpers/via-bench.ts';

const { signal } = new AbortController();
const dayMs = 24 * 3600 * 1000;

let top = '';
let source = '';
let store = new MemoryStore();
let nodes = 0;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'via-'));
  source = join(top, 'source');
  store = new MemoryStore();
  mkdirSync(join(source, 'sub'), { recursive: true });
  for (let at = 0; at < 12; at += 1) write(`sub/small-${at}`, noise(at + 1, 500 + 100 * at));
  write('sub/twin', noise(3, 700));
  write('large', noise(99, 150_000));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function write(path: string, bytes: Buffer): void {
  writeFileSync(join(source, path), bytes);
}

const controller = (name = 'one') => ({ store, cache: join(top, `cache-${name}`), now: () => store.now });

/** Pulls to a new node and compares. Returns what did not come from the store. */
async function pulled(snapshot: PlainSnapshot, catalogue: Digest) {
  nodes += 1;
  const node = join(top, `node-${nodes}`);
  const outcome = await pullVia(snapshot, node, store, catalogue);
  expect(missingOrDifferent(readTree(source), readTree(join(node, 'home', 'work')))).toEqual([]);
  return outcome;
}

describe('publishing', () => {
  test('what is published is fetched, each chunk once; a second time nothing is put but who uses it', async () => {
    const snapshot = plainSnapshot(source);
    const first = await publish(snapshot, controller());
    const fetched = await pulled(snapshot, first.catalogue);
    expect(fetched).toMatchObject({ missedBytes: 0, damaged: [], noCatalogue: false });
    expect(fetched.bytes).toBeGreaterThan(150_000);
    expect(fetched.bytes).toBeLessThan(170_000);
    const before = store.keys('/packs/');
    for (const cache of ['one', 'none']) {
      store.calls.length = 0;
      const again = await publish(snapshot, controller(cache));
      expect([again.sentBytes, store.keys('/packs/')]).toEqual([0, before]);
      expect(store.count('put')).toBe(1);
      expect(await pulled(snapshot, again.catalogue)).toMatchObject({ missedBytes: 0 });
    }
    store.calls.length = 0;
    await publish(snapshot, controller());
    expect(store.calls.map(({ method }) => method)).toEqual(['put', 'list']);
  });

  test('an edit puts what is new; a node that lacks only that fetches little more', async () => {
    const before = plainSnapshot(source);
    await publish(before, controller());
    write('sub/small-4', noise(77, 900));
    const after = plainSnapshot(source);
    const { catalogue, sentBytes } = await publish(after, controller());
    expect(sentBytes).toBe(900);
    expect(await pulled(after, catalogue)).toMatchObject({ missedBytes: 0, damaged: [] });
    expect(store.keys('/snapshots/').length).toBe(2);
  });

  test('an empty tree, and a file alone', async () => {
    rmSync(source, { recursive: true });
    mkdirSync(source);
    const empty = plainSnapshot(source);
    const { catalogue } = await publish(empty, controller());
    expect(await pulled(empty, catalogue)).toMatchObject({ missedBytes: 0, bytes: 0 });
    rmSync(source, { recursive: true });
    writeFileSync(source, noise(5, 30_000));
    const file = plainSnapshot(source);
    expect(await pulled(file, (await publish(file, controller())).catalogue)).toMatchObject({ missedBytes: 0 });
  });

  test('who may put and not delete publishes all the same', async () => {
    await publish(plainSnapshot(source), controller());
    write('sub/new', noise(70, 900));
    const after = plainSnapshot(source);
    store.before = ({ method: call }) => {
      if (call === 'delete') throw new TowError('store-forbidden', 'no');
    };
    const { catalogue } = await publish(after, controller());
    expect(await pulled(after, catalogue)).toMatchObject({ missedBytes: 0 });
    // Two catalogues, and the lease.
    expect(store.keys('/snapshots/').length).toBe(3);
  });

  test('two controllers share what either put', async () => {
    const first = plainSnapshot(source);
    await publish(first, controller('ann'));
    write('sub/bob', noise(8, 5000));
    const second = plainSnapshot(source);
    const { catalogue, sentBytes } = await publish(second, controller('bob'));
    expect(sentBytes).toBe(5000);
    expect(await pulled(second, catalogue)).toMatchObject({ missedBytes: 0 });
    store.calls.length = 0;
    const third = await publish(second, controller('ann'));
    expect(third.sentBytes).toBe(0);
    // The index that ann had is not fetched again.
    expect(store.count('get')).toBe(1);
  });
});

/** Runs both, the store's requests of either in an order that `pick` decides. */
async function interleaved(pick: (waiting: number) => number, ...runs: (() => Promise<unknown>)[]): Promise<void> {
  const waiting: (() => void)[] = [];
  const running = new Set(runs);
  let wake: () => void = () => undefined;
  store.before = () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      wake();
    });
  const done = Promise.all(
    runs.map((run) =>
      run().finally(() => {
        running.delete(run);
        wake();
      }),
    ),
  );
  done.catch(() => undefined);
  while (running.size > 0) {
    if (waiting.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    // Whoever can go on without the store does, so that there is something to pick from.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    waiting.splice(pick(waiting.length), 1)[0]?.();
  }
  store.before = () => undefined;
  await done;
}

describe('gc', () => {
  test('what nobody used for so long goes, all of it; what is used stays, and what is not ours', async () => {
    const old = plainSnapshot(source);
    await publish(old, controller());
    store.now += 10 * dayMs;
    write('large', noise(100, 150_000));
    const current = plainSnapshot(source);
    const { catalogue } = await publish(current, controller());
    for (const key of [`${viaPrefix}/towline-v1/packs/README`, `${viaPrefix}/mine`, 'other'])
      await store.put(key, Buffer.from('mine'), {}, signal);
    expect(await collect(store, viaPrefix, 11, signal)).toMatchObject({ packs: 0, snapshots: 0 });
    // The old large file was a pack with the small ones, which are used still.
    expect(await collect(store, viaPrefix, 9, signal)).toMatchObject({ packs: 0, snapshots: 1 });
    expect(await pulled(current, catalogue)).toMatchObject({ missedBytes: 0 });
    store.now += 10 * dayMs;
    const { packs, removedBytes, keptBytes } = await collect(store, viaPrefix, 9, signal);
    expect([packs, keptBytes]).toEqual([2, 0]);
    expect(removedBytes).toBeGreaterThan(300_000);
    expect(store.keys('').filter((key) => !key.endsWith('/clock'))).toEqual([
      'other',
      `${viaPrefix}/mine`,
      `${viaPrefix}/towline-v1/packs/README`,
    ]);
  });

  test('packs of a publication that has no catalogue yet stay for a day', async () => {
    const snapshot = plainSnapshot(source);
    store.before = ({ method: call, key }) => {
      if (call === 'put' && key.includes('/snapshots/')) throw new TowError('store-forbidden', 'no');
    };
    await expect(publish(snapshot, controller())).rejects.toMatchObject({ code: 'store-forbidden' });
    store.before = () => undefined;
    expect((await collect(store, viaPrefix, 1, signal)).packs).toBe(0);
    store.now += dayMs + 1;
    expect((await collect(store, viaPrefix, 1, signal)).packs).toBe(1);
    expect(store.keys('/index/')).toEqual([]);
  });

  test('a publication that takes days keeps what it has put', async () => {
    write('large', noise(98, 72 << 20));
    const snapshot = plainSnapshot(source);
    let removed = 0;
    let begun = 0;
    const leases = (): number => store.calls.filter(({ text }) => /^put .*\/snapshots\//.test(text)).length;
    store.before = async ({ method: call, key }) => {
      if (call !== 'put' || !key.includes('/packs/')) return;
      const before = begun;
      begun += 1;
      // Hours go by between packs, not between a pack and its lease.
      for (let turn = 0; turn < 10_000 && leases() < before; turn += 1)
        await new Promise((resolve) => setImmediate(resolve));
      store.now += 0.2 * dayMs;
      removed += (await collect(store, viaPrefix, 1, signal)).packs;
    };
    const { catalogue } = await publish(snapshot, controller());
    store.before = () => undefined;
    expect([removed, store.keys('/packs/').length > 7]).toEqual([0, true]);
    expect(store.keys('/snapshots/').length).toBe(1);
    expect(await pulled(snapshot, catalogue)).toMatchObject({ missedBytes: 0 });
  });

  test('beside a publication that uses what it would remove, in any order of their requests', {
    timeout: 120_000,
  }, async () => {
    const old = plainSnapshot(source);
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat()), fc.boolean(), async (order, warm) => {
        store = new MemoryStore();
        const name = `r${(nodes += 1)}`;
        await publish(old, controller(name));
        store.now += 40 * dayMs;
        let catalogue: Digest | undefined;
        await interleaved(
          (waiting) => (order.next().value ?? 0) % waiting,
          async () => ({ catalogue } = await publish(old, controller(warm ? name : `${name}-cold`))),
          () => collect(store, viaPrefix, 30, signal),
        );
        if (catalogue === undefined) throw new Error('nothing was published');
        expect(await pulled(old, catalogue)).toMatchObject({ missedBytes: 0, damaged: [], noCatalogue: false });
      }),
      { numRuns: 60 },
    );
  });
});

describe('a publisher that is killed', () => {
  test('at any of its requests: the next one goes on, and gc leaves no trace', async () => {
    write('large', noise(98, 9 << 20));
    await publish(plainSnapshot(source), controller('first'));
    write('large', noise(97, 9 << 20));
    const snapshot = plainSnapshot(source);
    const started = new Map(store.objects);
    for (let at = 0; ; at += 1) {
      store.objects.clear();
      for (const [key, stored] of started) store.objects.set(key, stored);
      const stop = new AbortController();
      let asked = 0;
      const death = new TowError('cancelled', 'killed');
      store.before = () => {
        asked += 1;
        if (asked > at) {
          stop.abort(death);
          throw death;
        }
      };
      const name = `killed-${at}`;
      const whole = await publish(snapshot, controller(name), stop.signal).then(
        () => true,
        () => false,
      );
      store.before = () => undefined;
      if (whole) break;
      const { catalogue } = await publish(snapshot, controller(name));
      expect(await pulled(snapshot, catalogue)).toMatchObject({ missedBytes: 0, damaged: [] });
      store.now += 5 * dayMs;
      await collect(store, viaPrefix, 4, signal);
      expect(store.keys('').filter((key) => !key.endsWith('/clock'))).toEqual([]);
      store.now -= 5 * dayMs;
    }
    expect(started.size).toBeGreaterThan(3);
  });
});

describe('a bucket that is damaged', () => {
  let snapshot: PlainSnapshot;
  let catalogue: Digest;

  beforeEach(async () => {
    // Two packs, one of which stays as it is.
    const small = plainSnapshot(source);
    await publish(small, controller());
    write('more', noise(55, 60_000));
    snapshot = plainSnapshot(source);
    ({ catalogue } = await publish(snapshot, controller()));
  });

  /** The pack with the large file. */
  const victim = (): string => {
    const found = store.keys('/packs/').find((key) => (store.objects.get(key)?.bytes.length ?? 0) > 100_000);
    if (found === undefined) throw new Error('no large pack');
    return found;
  };
  const indexOf = (pack: string): string => pack.replace('/packs/', '/index/');
  const nameOf = (key: string): Digest => {
    const name = digestOfHex(key.slice(-64));
    if (name === undefined) throw new Error(`${key} is no pack`);
    return name;
  };

  const mend = (pack: string): Promise<number> =>
    mendPacks(store, viaPrefix, new IndexCache(controller().cache), [nameOf(pack)], signal);

  const cases: readonly (readonly [string, (pack: string) => void])[] = [
    ['a pack is gone', (pack) => void store.objects.delete(pack)],
    ['a pack is cut short', (pack) => store.damage(pack, (bytes) => bytes.subarray(0, 50_000))],
    ['a pack is empty', (pack) => store.damage(pack, () => Buffer.alloc(0))],
    [
      'a byte of a pack is another',
      (pack) =>
        store.damage(pack, (bytes) => {
          bytes[1000] = (bytes[1000] ?? 0) ^ 1;
          return bytes;
        }),
    ],
    ['a pack has the bytes of another', (pack) => store.damage(pack, () => noise(1, 200_000))],
  ];

  for (const [what, damage] of cases) {
    test(`${what}: its chunks come from the controller, are found out, and are published anew`, async () => {
      const pack = victim();
      damage(pack);
      const outcome = await pulled(snapshot, catalogue);
      expect(outcome.damaged).toEqual([nameOf(pack)]);
      expect(outcome.missedBytes).toBeGreaterThan(0);
      expect(await mend(pack)).toBe(1);
      const mended = await publish(snapshot, controller());
      expect(mended.sentBytes).toBeGreaterThan(100_000);
      expect(await pulled(snapshot, mended.catalogue)).toMatchObject({ missedBytes: 0, damaged: [] });
    });
  }

  test('a pack that is sound stays', async () => {
    expect(await mend(victim())).toBe(0);
    expect(store.keys('/index/').length).toBe(2);
  });

  test('all packs are gone: found out at once, whichever a node named', async () => {
    const [named = ''] = store.keys('/packs/');
    for (const key of store.keys('/packs/')) store.objects.delete(key);
    expect(await mend(named)).toBe(2);
    expect((await publish(snapshot, controller())).sentBytes).toBeGreaterThan(200_000);
  });

  test('an index that is cut short, or none, is as good as not there', async () => {
    for (const [name, damage] of [
      ['short', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
      ['noise', () => noise(4, 3000)],
      ['empty', () => Buffer.alloc(0)],
    ] as const) {
      store.damage(indexOf(victim()), damage);
      const { catalogue: another, sentBytes } = await publish(snapshot, controller(name));
      expect(sentBytes).toBeGreaterThan(100_000);
      expect(await pulled(snapshot, another)).toMatchObject({ missedBytes: 0 });
      // Only the damaged one is left for the next name.
      for (const key of store.keys('/index/')) if (key !== indexOf(victim())) store.objects.delete(key);
    }
  });

  test('an index that lies costs what it lies about, and is found out', async () => {
    const pack = victim();
    store.damage(indexOf(pack), (bytes) =>
      encodePackIndex(decodePackIndex(bytes).map((block) => ({ ...block, chunks: block.chunks.toReversed() }))),
    );
    const misled = await publish(snapshot, controller('misled'));
    expect(misled.sentBytes).toBe(0);
    const outcome = await pulled(snapshot, misled.catalogue);
    expect(outcome.damaged).toEqual([nameOf(pack)]);
    expect(outcome.missedBytes).toBeGreaterThan(100_000);
    expect(await mend(pack)).toBe(1);
    expect(store.keys('/index/')).not.toContain(indexOf(pack));
  });

  test('a catalogue that is gone, cut short or another: all comes from the controller, and it is said why', async () => {
    const key = `${viaPrefix}/towline-v1/snapshots/${digestHex(catalogue)}`;
    for (const damage of [
      () => void store.set(key, encodeCatalogue([], Buffer.alloc(16))),
      () => store.damage(key, (bytes) => bytes.subarray(0, 40)),
      () => void store.objects.delete(key),
    ]) {
      damage();
      const outcome = await pulled(snapshot, catalogue);
      expect(outcome).toMatchObject({ bytes: 0, noCatalogue: true, note: expect.any(String) });
      expect(outcome.missedBytes).toBeGreaterThan(200_000);
    }
  });

  test('a store that a node may not read, or cannot reach: no error, and no request more than need be', async () => {
    for (const code of ['store-forbidden', 'store-unreachable', 'bucket-missing'] as const) {
      store.before = ({ method: call, key }) => {
        if (call === 'get' && key.includes('/packs/')) throw new TowError(code, 'not for you');
      };
      store.calls.length = 0;
      expect(await pulled(snapshot, catalogue)).toMatchObject({
        bytes: 0,
        damaged: [],
        noCatalogue: false,
        note: 'not for you',
      });
      expect(store.calls.length).toBeLessThan(4);
    }
  });
});
