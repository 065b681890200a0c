/** Packs that are made before they are asked for: sent if they are what is asked for, and never anything else. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { chunkCount, chunkDigest } from '../../protocol/chunk/entry.ts';
import { decodePackHeader, unpackBody } from '../../protocol/chunk/pack.ts';
import { ChunkLocator } from '../../protocol/pull/source/chunk-locator.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { codeOf } from '../helpers/code-of.ts';
import { noise } from '../helpers/noise.ts';
import { SourceBench } from '../helpers/source-bench.ts';

const { signal } = new AbortController();
const raw = { compression: undefined } as const;

let bench: SourceBench;
let source: Source;
let before: Snapshot;
/** Tasks that made a pack. */
let made = 0;
beforeEach(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
  for (const [n, name] of ['a', 'b', 'c', 'd'].entries()) write(name, noise(n, 700_000));
  const run = bench.pool.run.bind(bench.pool);
  made = 0;
  bench.pool.run = async (task, input, stop, options) => {
    if (task === 'pack') made += 1;
    return await run(task, input, stop, options);
  };
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

/** Digests of what came for `ranges`. */
async function fetched(snapshot: Snapshot, ranges: readonly number[], packs?: ReturnType<Snapshot['packs']>) {
  const bytes: Buffer[] = [];
  const ordinals: number[] = [];
  const send = async (...parts: readonly Uint8Array[]): Promise<void> => {
    const pack = decodePackHeader(Buffer.concat(parts), limits.packBytes);
    for (const { first, count } of pack.runs) for (let n = 0; n < count; n += 1) ordinals.push(first + n);
    bytes.push(Buffer.from(unpackBody(pack)));
  };
  await snapshot.sendChunks(ranges, send, packs === undefined ? raw : { ...raw, packs }, signal);
  return { ordinals, digest: digestOf(Buffer.concat(bytes)) };
}

/** What a replica with `before` lacks, each chunk once, as ordinals of the whole. */
function lacking(now: Snapshot): number[] {
  const has = new Set(digestsOf(before));
  const ranges: number[] = [];
  for (const [ordinal, digest] of digestsOf(now).entries()) {
    if (!has.has(digest)) ranges.push(ordinal, 1);
    has.add(digest);
  }
  return ranges;
}

function digestsOf({ manifest }: Snapshot): string[] {
  const entries = manifest.directories.get('')?.entries ?? [];
  return entries.flatMap(({ content }) =>
    Array.from({ length: chunkCount(content) }, (_, at) => chunkDigest(content, at)),
  );
}

test('are sent when they are what is asked for', async () => {
  const now = await afterEdits();
  const ranges = lacking(now);
  const right = await fetched(now, ranges);
  await using packs = now.packs(raw);
  made = 0;
  await now.deltaFrom(before.manifest, limits.callPayloadBytes, { ...raw, packs }, signal);
  await expect.poll(() => made).toBe(3);
  expect(await fetched(now, ranges, packs)).toEqual(right);
  expect(made).toBe(3);
});

test('are not when something else is, all of it or in part', async () => {
  const now = await afterEdits();
  const { count } = await ChunkLocator.of(now.manifest);
  const ranges = lacking(now);
  for (const asked of [
    [0, count],
    ranges.slice(2),
    ranges.slice(0, -4),
    [...ranges.slice(0, 80), ...ranges.slice(84)],
  ]) {
    const right = await fetched(now, asked);
    await using packs = now.packs(raw);
    await now.deltaFrom(before.manifest, limits.callPayloadBytes, { ...raw, packs }, signal);
    expect(await fetched(now, asked, packs)).toEqual(right);
    // And again, as after a lost link.
    expect(await fetched(now, asked, packs)).toEqual(right);
  }
});

test('of a file that changed since are refused, as others are', async () => {
  const now = await afterEdits();
  const ranges = lacking(now);
  write('c', noise(99, 900_000));
  await using packs = now.packs(raw);
  await now.deltaFrom(before.manifest, limits.callPayloadBytes, { ...raw, packs }, signal);
  expect(await codeOf(fetched(now, ranges, packs))).toBe('source-changed');
});

test('are not made for what goes along with a delta, and end when nobody asks', async () => {
  write('b', noise(11, 1000));
  const small = await source.snapshot({ verify: false }, signal);
  const packs = small.packs(raw);
  made = 0;
  await small.deltaFrom(before.manifest, limits.callPayloadBytes, { ...raw, packs }, signal);
  expect(made).toBe(1);
  await packs[Symbol.asyncDispose]();
  const now = await afterEdits();
  const unused = now.packs(raw);
  await now.deltaFrom(before.manifest, limits.callPayloadBytes, { ...raw, packs: unused }, signal);
  await unused[Symbol.asyncDispose]();
});
