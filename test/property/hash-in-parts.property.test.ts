/** A large file that several threads read in parts has the chunks that one thread finds in it, or is left to one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, chunkLength, recordBytes } from '../../protocol/chunk/entry.ts';
import { hashInParts } from '../../protocol/pull/source/hash-in-parts.ts';
import type { SpanTags } from '../../protocol/pull/source/span-tags.ts';
import type { HashedPart, HashOutput } from '../../protocol/pull/source/tasks.ts';
import { noise } from '../helpers/noise.ts';
import { SourceBench } from '../helpers/source-bench.ts';

const { signal } = new AbortController();
const cancel = new Int32Array(new SharedArrayBuffer(4));

let bench: SourceBench;
beforeAll(async () => {
  bench = await SourceBench.make();
});
afterAll(() => bench[Symbol.asyncDispose]());

/** Stretches of a file: noise is cut by what is in it, what repeats only by its length. */
const stretch = fc.oneof(
  { weight: 4, arbitrary: fc.record({ seed: fc.nat(99), bytes: fc.integer({ min: 1, max: 2_000_000 }) }) },
  fc.record({ byte: fc.nat(255), bytes: fc.integer({ min: 1, max: 1_500_000 }) }),
);
type Stretch = { readonly seed: number; readonly bytes: number } | { readonly byte: number; readonly bytes: number };

const fill = (one: Stretch): Buffer => ('seed' in one ? noise(one.seed, one.bytes) : Buffer.alloc(one.bytes, one.byte));

async function whole(known: ReadonlyMap<number, ChunkList>): Promise<HashOutput> {
  const input = { root: bytesOf(bench.top), paths: ['file'], known, cancel };
  return await bench.pool.run('hash', input, signal, { onEvent: () => undefined });
}

async function inParts(bytes: Buffer, known: ChunkList | undefined): Promise<HashOutput | undefined> {
  const file = { root: bytesOf(bench.top), path: 'file', known, cancel, trusted: true };
  return await hashInParts(bench.pool, file, bytes.length, () => undefined, signal);
}

const listOf = ({ lists }: HashOutput): ChunkList => Buffer.from(lists).toString('latin1');

test('whatever is in it, and whatever was known of it', async () => {
  let joined = 0;
  let cases = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(stretch, { minLength: 1, maxLength: 5 }), fc.nat(), async (stretches, at) => {
      let known: ChunkList | undefined;
      let bytes = Buffer.concat(stretches.map(fill));
      // What was read before is told by its tags then, but for what changed.
      for (const [round, insert] of [0, 1000, 1, 0].entries()) {
        const cut = (at * (round + 1)) % bytes.length;
        bytes = Buffer.concat([bytes.subarray(0, cut), noise(at + round, insert), bytes.subarray(cut)]);
        if (round === 3) bytes[cut] = (bytes[cut] ?? 0) ^ 1;
        writeFileSync(join(bench.top, 'file'), bytes);
        const parts = await inParts(bytes, known);
        const right = await whole(known === undefined ? new Map() : new Map([[0, known]]));
        expect(right.statuses[0]).toMatch(/settled|fresh/);
        cases += 1;
        if (parts !== undefined) {
          joined += 1;
          expect(listOf(parts) === listOf(right)).toBe(true);
          expect([parts.modes, parts.stamps, parts.listBytes]).toEqual([right.modes, right.stamps, right.listBytes]);
        }
        known = listOf(right);
      }
    }),
    { numRuns: Number(process.env['TOWLINE_RUNS'] ?? 40) },
  );
  expect(joined).toBeGreaterThan(cases / 2);
});

test('what is as it was is not hashed again, unless it is to be verified', async () => {
  const run = bench.pool.run.bind(bench.pool);
  const spans: number[] = [];
  bench.pool.run = async (task, input, stop, options) => {
    if (task === 'hashPart' && 'spans' in input) spans.push(input.spans?.starts.length ?? 0);
    return await run(task, input, stop, options);
  };
  const bytes = noise(5, 6_000_000);
  writeFileSync(join(bench.top, 'file'), bytes);
  const first = await inParts(bytes, undefined);
  if (first === undefined) throw new Error('the parts are not in step');
  const list = listOf(first);
  const file = { root: bytesOf(bench.top), path: 'file', known: list, cancel };
  const again = await hashInParts(bench.pool, { ...file, trusted: true }, bytes.length, () => undefined, signal);
  const verified = await hashInParts(bench.pool, { ...file, trusted: false }, bytes.length, () => undefined, signal);
  const other = { ...file, known: list.slice(36), trusted: true };
  await hashInParts(bench.pool, other, bytes.length, () => undefined, signal);
  bench.pool.run = run;
  expect([again, verified].map((output) => output && listOf(output) === list)).toEqual([true, true]);
  const tags = spans[2] ?? 0;
  expect([tags > 20, spans]).toEqual([true, [0, 0, tags, tags, 0, 0, 0, 0]]);
});

test('what has its tag is taken at its word, digests and all', async () => {
  const bytes = noise(6, 3_000_000);
  writeFileSync(join(bench.top, 'file'), bytes);
  const tagKey = noise(7, 32);
  const part = {
    root: bytesOf(bench.top),
    path: 'file',
    from: 0,
    to: bytes.length,
    size: bytes.length,
    tagKey,
    tellsKept: false,
    cancel,
  };
  const run = async (known: ChunkList | undefined, spans: SpanTags | undefined): Promise<HashedPart> => {
    const output = await bench.pool.run('hashPart', { ...part, known, spans }, signal, { onEvent: () => undefined });
    if (output === undefined) throw new Error('it cannot be read in parts');
    return output;
  };
  const { list, tags } = await run(undefined, undefined);
  const right = Buffer.from(list).toString('latin1');
  const [, start = 0] = tags.starts;
  const at = (start + 1) * recordBytes;
  const wrong = `${right.slice(0, at)}${'w'.repeat(32)}${right.slice(at + 32)}`;
  // Nobody keeps such a list: it only shows which of them was hashed.
  expect(Buffer.from((await run(wrong, tags)).list).toString('latin1') === wrong).toBe(true);
  expect(Buffer.from((await run(wrong, undefined)).list).toString('latin1') === right).toBe(true);
  bytes[1_500_000] = (bytes[1_500_000] ?? 0) ^ 1;
  writeFileSync(join(bench.top, 'file'), bytes);
  const changed = Buffer.from((await run(right, tags)).list).toString('latin1');
  expect([
    changed === right,
    changed === Buffer.from((await run(undefined, undefined)).list).toString('latin1'),
  ]).toEqual([false, true]);
});

test('one that is not there, or of another length than is thought, is left to one thread', async () => {
  const bytes = noise(1, 2_000_000);
  writeFileSync(join(bench.top, 'file'), bytes);
  expect(await inParts(bytes.subarray(0, 1_000_000), undefined)).toBeUndefined();
  const file = { root: bytesOf(bench.top), path: 'absent', known: undefined, cancel, trusted: true };
  expect(await hashInParts(bench.pool, file, 1_000_000, () => undefined, signal)).toBeUndefined();
});

test('a new file is told by the tags of another one of its size, if it is a copy of that', async () => {
  const run = bench.pool.run.bind(bench.pool);
  const told = new Map<string, number>();
  bench.pool.run = async (task, input, stop, options) => {
    if (task === 'hashPart' && 'spans' in input && 'path' in input)
      told.set(input.path, input.spans?.starts.length ?? 0);
    return await run(task, input, stop, options);
  };
  const bytes = noise(8, 33 << 20);
  const changed = Buffer.from(bytes);
  changed[20 << 20] = (changed[20 << 20] ?? 0) ^ 1;
  mkdirSync(join(bench.root, 'below'), { recursive: true });
  writeFileSync(join(bench.root, 'below', 'a'), bytes);
  const source = await bench.open();
  await source.snapshot({ verify: false }, signal);
  const files = { b: bytes, c: changed, d: noise(9, bytes.length), e: noise(10, bytes.length + 1) };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(bench.root, name), content);
  const { manifest } = await source.snapshot({ verify: false }, signal);
  bench.pool.run = run;
  const list = (directory: string, name: string): ChunkList =>
    manifest.directories.get(directory)?.entries.find((entry) => entry.name === name)?.content ?? '';
  expect(list('', 'b') === list('below', 'a')).toBe(true);
  for (const [name, content] of Object.entries(files)) {
    let from = 0;
    for (let at = 0; at < chunkCount(list('', name)); at += 1) {
      const length = chunkLength(list('', name), at);
      if (digestOf(content.subarray(from, from + length)) !== chunkDigest(list('', name), at))
        throw new Error(`${name} ${at}`);
      from += length;
    }
    expect(from).toBe(content.length);
  }
  const tags = told.get('b') ?? 0;
  expect([tags > 100, told.get('c'), told.get('d'), told.get('e')]).toEqual([true, tags, tags, 0]);
});
