/** Packs that are sent before they are asked for: what the replica will lack, and nothing else; taken when it knows what it lacks. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ForeseenPacks as OfferedPacks } from '../../controller/sync/foreseen-packs.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { decodeDelta } from '../../protocol/chunk/delta-codec.ts';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { chunkCount, chunkDigest } from '../../protocol/chunk/entry.ts';
import { decodePackHeader, encodePackHeader, unpackBody } from '../../protocol/chunk/pack.ts';
import { ForeseenPacks } from '../../protocol/pull/replica/foreseen-packs.ts';
import { Session } from '../../protocol/pull/replica/session.ts';
import { chunksOf } from '../../protocol/pull/replica/unpack.ts';
import type { SendFrame } from '../../protocol/pull/source/pack-sender.ts';
import type { Delta, ServeOptions, Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { codeOf } from '../helpers/code-of.ts';
import { noise } from '../helpers/noise.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { pull, sessionOptions } from '../helpers/pull.ts';
import { SourceBench } from '../helpers/source-bench.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';
import { WatchedNode, watchedPull } from '../helpers/watched-pull.ts';

const { signal } = new AbortController();
const raw = { compression: undefined } as const;

let bench: SourceBench;
let source: Source;
let before: Snapshot;
beforeEach(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
  for (const [n, name] of ['a', 'b', 'c', 'd'].entries()) write(name, noise(n, 700_000));
  source = await bench.open();
  before = await source.snapshot({ verify: false }, signal);
});
afterEach(() => bench[Symbol.asyncDispose]());

function write(name: string, bytes: Uint8Array): void {
  writeFileSync(join(bench.root, name), bytes);
}

/** Everything in `bytes`, so much that it does not go along with a delta. */
async function afterEdits(): Promise<Snapshot> {
  write('b', noise(11, 900_000));
  write('c', noise(12, 900_000));
  // Has a chunk twice, and those of a file that is gone.
  write('e', Buffer.concat([noise(3, 700_000), noise(13, 300_000), noise(13, 300_000)]));
  rmSync(join(bench.root, 'd'));
  return await source.snapshot({ verify: false }, signal);
}

/** Digests that were sent, in order. */
function digestsOf({ manifest }: Pick<Snapshot, 'manifest'>): string[] {
  const entries = manifest.directories.get('')?.entries ?? [];
  return entries.flatMap(({ content }) =>
    Array.from({ length: chunkCount(content) }, (_, at) => chunkDigest(content, at)),
  );
}

/** What a replica with `before` lacks, each chunk once. */
function lacking(now: Snapshot): string[] {
  const has = new Set(digestsOf(before));
  return digestsOf(now).filter((digest) => {
    if (has.has(digest)) return false;
    has.add(digest);
    return true;
  });
}

async function deltaTo(now: Snapshot, options: ServeOptions = raw): Promise<Delta> {
  const delta = await now.deltaFrom(before.manifest, limits.callPayloadBytes, options, signal);
  if (delta === undefined) throw new Error('no delta');
  return delta;
}

async function sentOf({ bytes, sendForeseen }: Delta): Promise<string[]> {
  const chunks = chunksOf(decodeDelta(before.manifest, bytes, limits).part);
  const sent: string[] = [];
  await sendForeseen?.(async (...parts) => {
    const pack = decodePackHeader(Buffer.concat(parts), limits.packBytes);
    const body = Buffer.from(unpackBody(pack));
    let from = 0;
    for (const { first, count } of pack.runs)
      for (const { digest, length } of chunks.slice(first, first + count)) {
        expect(digestOf(body.subarray(from, from + length))).toBe(digest);
        sent.push(digest);
        from += length;
      }
    expect(from).toBe(body.length);
  }, signal);
  return sent;
}

test.each([undefined, 'near', 'far'] as const)(
  'what lacks is sent, in order, each chunk once: %s',
  async (compression) => {
    const now = await afterEdits();
    expect(await sentOf(await deltaTo(now, { compression }))).toEqual(lacking(now));
  },
);

test('what the root has elsewhere is not sent, and little goes along with the delta', async () => {
  mkdirSync(join(bench.root, 'copies'));
  for (const name of ['a', 'b', 'c', 'd']) copyFileSync(join(bench.root, name), join(bench.root, 'copies', name));
  const copied = await deltaTo(await source.snapshot({ verify: false }, signal));
  expect([copied.sendForeseen === undefined, await sentOf(copied)]).toEqual([false, []]);
  write('b', noise(11, 1000));
  rmSync(join(bench.root, 'copies'), { recursive: true });
  expect((await deltaTo(await source.snapshot({ verify: false }, signal))).sendForeseen).toBeUndefined();
});

test('a file that changed since is refused, as it is when it is asked for', async () => {
  const delta = await deltaTo(await afterEdits());
  write('c', noise(99, 900_000));
  expect(await codeOf(sentOf(delta))).toBe('source-changed');
});

describe('a replica', () => {
  const node = (): string => join(bench.top, 'node');
  beforeEach(() => mkdirSync(join(node(), 'home'), { recursive: true }));

  test('takes what it lacks of them, and asks for the rest', async () => {
    using held = new WatchedNode();
    await watchedPull(plainSnapshot(bench.root), { node: node() }, held);
    await afterEdits();
    const { conflicts } = await watchedPull(plainSnapshot(bench.root), { node: node() }, held);
    expect([conflicts, held.deltas, held.foreseen > 2, held.asked]).toEqual([[], 1, true, 0]);
    // What foresight counts on is gone from the node.
    rmSync(join(node(), 'home/work/a'));
    write('f', Buffer.concat([noise(0, 700_000), noise(21, 300_000)]));
    await watchedPull(plainSnapshot(bench.root), { node: node() }, held);
    expect([held.deltas, held.asked > 600_000]).toEqual([2, true]);
    expect(missingOrDifferent(readTree(bench.root), readTree(join(node(), 'home/work')))).toEqual([]);
  });

  test('refuses bytes that are others, and chunks that there are not', async () => {
    const first = plainSnapshot(bench.root);
    pull(first, { node: node() });
    await afterEdits();
    const now = plainSnapshot(bench.root);
    const { bytes, sendForeseen } = await deltaTo(await source.snapshot({ verify: false }, signal));
    const frames: Buffer[] = [];
    await sendForeseen?.(async (...parts) => void frames.push(Buffer.concat(parts)), signal);
    const [good = Buffer.alloc(0)] = frames;
    const flipped = Buffer.from(good);
    flipped[good.length - 5] = (flipped[good.length - 5] ?? 0) ^ 1;
    const beyond = Buffer.concat([encodePackHeader('raw', 3, [{ first: 1 << 20, count: 1 }]), Buffer.alloc(3)]);
    for (const bad of [flipped, beyond]) {
      const session = new Session(sessionOptions(now, { node: node() }));
      expect(session.takeDelta(first.digest, bytes)).toBe(true);
      session.observe(undefined);
      session.stage([]);
      session.reuse(1000, () => undefined);
      expect(() => session.supply.foreseen(bad)).toThrow(expect.objectContaining({ code: 'chunk-mismatch' }));
      session.abandon();
    }
    pull(now, { node: node() });
    expect(missingOrDifferent(readTree(bench.root), readTree(join(node(), 'home/work')))).toEqual([]);
  });
});

describe('the packs of one pull', () => {
  const frame = (n: number): Buffer => Buffer.alloc(10, n);

  test('are begun at once, sent to who calls first, and no more', async () => {
    let begun = 0;
    await using packs = new OfferedPacks(async (send) => {
      begun += 1;
      for (let n = 0; n < 3; n += 1) await send(frame(n));
    }, signal);
    expect(begun).toBe(1);
    const got: number[] = [];
    await packs.sendTo(async (...parts) => void got.push(parts[0]?.[0] ?? -1), signal);
    await packs.sendTo(async () => void got.push(-1), signal);
    expect(got).toEqual([0, 1, 2]);
  });

  test('end when nobody calls, when sending fails, and with what they fail with', async () => {
    const ended: string[] = [];
    const work = async (send: SendFrame): Promise<void> => {
      try {
        await send(frame(0));
      } catch (error) {
        ended.push(error instanceof TowError ? error.code : String(error));
        throw error;
      }
    };
    await new OfferedPacks(work, signal)[Symbol.asyncDispose]();
    const broken = new OfferedPacks(work, signal);
    expect(
      await codeOf(broken.sendTo(async () => await Promise.reject(new TowError('link-lost', 'gone')), signal)),
    ).toBe('link-lost');
    await broken[Symbol.asyncDispose]();
    const changed = new OfferedPacks(async () => await Promise.reject(new TowError('source-changed', 'x')), signal);
    expect(await codeOf(changed.sendTo(async () => undefined, signal))).toBe('source-changed');
    await changed[Symbol.asyncDispose]();
    // One that takes nothing, and stops to want anything.
    const stop = new AbortController();
    const stuck = new OfferedPacks(work, signal);
    const waits = codeOf(stuck.sendTo(async () => await new Promise<void>(() => undefined), stop.signal));
    stop.abort();
    expect(await waits).toBe('cancelled');
    await stuck[Symbol.asyncDispose]();
    // And one that takes nothing and says nothing.
    const silent = new OfferedPacks(work, signal);
    silent.sendTo(async () => await new Promise<void>(() => undefined), signal).catch(() => undefined);
    await silent[Symbol.asyncDispose]();
    expect(ended).toEqual(['cancelled', 'link-lost', 'cancelled', 'cancelled']);
  });

  test('wait on the node until it knows what it lacks; those that it does not want are given up', async () => {
    const taken: number[] = [];
    const packs = new ForeseenPacks(sends(3), signal);
    await packs.takeAll(async (pack) => taken.push(pack[0] ?? -1) < 9);
    await packs[Symbol.asyncDispose]();
    const unwanted = new ForeseenPacks(sends(3), signal);
    await unwanted[Symbol.asyncDispose]();
    const failing = new ForeseenPacks(sends(1, new TowError('source-changed', 'x')), signal);
    expect(await codeOf(failing.takeAll(async () => true))).toBe('source-changed');
    await failing[Symbol.asyncDispose]();
    const stop = new AbortController();
    const cut = new ForeseenPacks(sends(2), stop.signal);
    expect(
      await codeOf(
        cut.takeAll(async () => {
          stop.abort(new TowError('cancelled', 'stop'));
          return true;
        }),
      ),
    ).toBe('cancelled');
    await cut[Symbol.asyncDispose]();
    expect(taken).toEqual([0, 1, 2]);
    // Enough is enough, even if the call does not end.
    const endless = new ForeseenPacks(sends(1000), signal);
    await endless.takeAll(async (pack) => taken.push(pack[0] ?? -1) < 5);
    expect(taken).toEqual([0, 1, 2, 0, 1]);
    await endless[Symbol.asyncDispose]();
  });

  /** Hands over so many packs, one when the one before was taken. */
  function sends(packs: number, failure?: Error): ConstructorParameters<typeof ForeseenPacks>[0] {
    return async (onPack, stop) => {
      for (let n = 0; n < packs; n += 1) {
        await onPack(frame(n));
        stop.throwIfAborted();
      }
      if (failure !== undefined) throw failure;
    };
  }
});
