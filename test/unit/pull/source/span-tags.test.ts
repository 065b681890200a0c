/** Tags of spans of chunks: the same for the same bytes, wherever a span is, and however it is told. */
import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf, holeDigest } from '../../../../protocol/chunk/digest.ts';
import { chunkCount, chunkRecord } from '../../../../protocol/chunk/entry.ts';
import { SpanBook } from '../../../../protocol/pull/source/span-book.ts';
import {
  joinTags,
  SpanTagger,
  type SpanTags,
  spanAt,
  tagBytes,
  tagOf,
} from '../../../../protocol/pull/source/span-tags.ts';
import { noise } from '../../../helpers/noise.ts';

const key = randomBytes(32);

interface Told {
  readonly list: string;
  readonly chunks: readonly Buffer[];
  readonly tags: SpanTags;
}

function told(chunks: readonly Buffer[], begins = true): Told {
  const tagger = new SpanTagger(key, begins);
  let list = '';
  for (const bytes of chunks) {
    list += chunkRecord(digestOf(bytes), bytes.length);
    tagger.chunk(digestOf(bytes), bytes);
  }
  return { list, chunks, tags: tagger.tags };
}

const tagAt = ({ tags }: SpanTags, at: number): Buffer =>
  Buffer.from(tags.subarray(at * tagBytes, (at + 1) * tagBytes));

const someChunks = fc
  .array(fc.record({ seed: fc.nat(1e6), bytes: fc.integer({ min: 1, max: 90_000 }) }), { minLength: 30, maxLength: 90 })
  .map((all) => all.map(({ seed, bytes }) => noise(seed, bytes)));

test('every tag is that of the bytes of the span which begins there, and says how long it is', () => {
  let tagged = 0;
  fc.assert(
    fc.property(someChunks, fc.boolean(), (chunks, begins) => {
      const { list, tags } = told(chunks, begins);
      for (const [at, start] of tags.starts.entries()) {
        const span = spanAt(list, start);
        // The last chunk was not cut by its content, and belongs to no span that is told of.
        if (span === undefined) continue;
        tagged += 1;
        const bytes = Buffer.concat(chunks.slice(start, start + span.chunks));
        expect(bytes.length).toBe(span.bytes);
        expect(span.records).toBe(list.slice(start * 36, (start + span.chunks) * 36));
        expect(tagAt(tags, at).equals(tagOf(key, bytes))).toBe(true);
        const other = Buffer.from(bytes);
        other[bytes.length >> 1] = (other[bytes.length >> 1] ?? 0) ^ 1;
        expect(tagAt(tags, at).equals(tagOf(key, other))).toBe(false);
      }
    }),
    { numRuns: 60 },
  );
  expect(tagged).toBeGreaterThan(200);
});

test('tags of parts are those of the whole, but for a span that lies in two', () => {
  fc.assert(
    fc.property(someChunks, fc.nat(), (chunks, at) => {
      const cut = chunks.length === 0 ? 0 : at % chunks.length;
      const [first, second] = [told(chunks.slice(0, cut)), told(chunks.slice(cut), cut === 0)];
      const joined = joinTags([first, second].map(({ list, tags }) => ({ list: Buffer.from(list, 'latin1'), tags })));
      const whole = told(chunks);
      const places = [...whole.tags.starts];
      for (const [index, start] of joined.starts.entries()) {
        const same = places.indexOf(start);
        expect(same).toBeGreaterThanOrEqual(0);
        expect(tagAt(joined, index).equals(tagAt(whole.tags, same))).toBe(true);
      }
      expect(places.length - joined.starts.length).toBeLessThanOrEqual(2);
    }),
    { numRuns: 60 },
  );
});

test('a span that is known is told as one, and what follows is as if it had been told chunk by chunk', () => {
  fc.assert(
    fc.property(someChunks, (chunks) => {
      const { list, tags } = told(chunks);
      const tagger = new SpanTagger(key, true);
      const known = new Map([...tags.starts].map((start, at) => [start, tagAt(tags, at)]));
      for (let at = 0; at < chunks.length; ) {
        const tag = known.get(at);
        const span = tag === undefined ? undefined : spanAt(list, at);
        const bytes = chunks[at] ?? Buffer.alloc(0);
        if (tag !== undefined && span !== undefined) tagger.span(span, tag);
        else tagger.chunk(digestOf(bytes), bytes);
        at += span?.chunks ?? 1;
      }
      expect(tagger.tags).toEqual(tags);
    }),
    { numRuns: 60 },
  );
});

test('a span has no hole, not the last chunk, and is not too long', () => {
  const hole = chunkRecord(holeDigest, 1000);
  fc.assert(
    fc.property(someChunks, fc.nat(), (chunks, at) => {
      const { list } = told(chunks);
      const cut = (at % (chunks.length + 1)) * 36;
      const holed = list.slice(0, cut) + hole + list.slice(cut);
      for (let first = 0; first < chunkCount(holed); first += 1) {
        const span = spanAt(holed, first);
        // Nor the chunk before the hole.
        if (span !== undefined) expect(first * 36 > cut || (first + span.chunks) * 36 < cut).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
  const { list } = told(Array.from({ length: 100 }, (_, n) => noise(n, 60_000)));
  let long = 0;
  for (let at = 0; at < chunkCount(list); at += 1) {
    const span = spanAt(list, at);
    if (span === undefined) long += 1;
    else expect([span.bytes <= 896 << 10, at + span.chunks < chunkCount(list)]).toEqual([true, true]);
  }
  expect(long).toBeGreaterThan(0);
  const last = told([noise(1, 10)]);
  expect(spanAt(last.list, 0)).toBeUndefined();
});

test('a book gives tags for the list that they belong to, and no others; it does not grow without bound', async () => {
  const book = SpanBook.make();
  if (book === undefined) throw new Error('there is no such cipher');
  const { list, tags } = told(Array.from({ length: 60 }, (_, n) => noise(n, 5000)));
  const part = { list: Buffer.from(list, 'latin1'), tags };
  await book.read('a', part.list, [part]);
  expect(await book.of('a', list)).toEqual(tags);
  expect([await book.of('a', list.slice(36)), await book.of('b', list)]).toEqual([undefined, undefined]);
  const many = { starts: new Uint32Array(1 << 19), tags: new Uint8Array(0) };
  for (const path of ['b', 'c', 'd']) await book.read(path, part.list, [{ list: part.list, tags: many }]);
  const known = await Promise.all(['a', 'b', 'c', 'd'].map(async (path) => (await book.of(path, list)) !== undefined));
  expect(known).toEqual([false, false, true, true]);
});
