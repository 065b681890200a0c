/** What lies in an object store comes back as it was put; whatever else lies there is refused, and never more than its limits is held. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { spansOf } from '../../agent/via/block-spans.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { asDigest } from '../../protocol/chunk/digest.ts';
import { type CataloguedPack, decodeCatalogue, encodeCatalogue, saltBytes } from '../../protocol/via/catalogue.ts';
import { decodePackIndex, encodePackIndex, type PackedBlock } from '../../protocol/via/pack-index.ts';

const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => asDigest(Buffer.from(bytes).toString('latin1')));
const chunks = fc.array(fc.record({ digest, length: fc.integer({ min: 1, max: 5000 }) }), {
  minLength: 1,
  maxLength: 30,
});
const block: fc.Arbitrary<PackedBlock> = fc
  .tuple(chunks, fc.constantFrom('raw', 'brotli'), fc.integer({ min: 1, max: 9000 }))
  .map(([list, codec, length]) => {
    const rawLength = list.reduce((sum, chunk) => sum + chunk.length, 0);
    return { length: codec === 'raw' ? rawLength : length, codec, rawLength, chunks: list };
  });
const index = fc.array(block, { maxLength: 10 });

const run = fc.record({ skip: fc.nat(1000), first: fc.nat(2 ** 32), count: fc.integer({ min: 1, max: 1000 }) });
const pack: fc.Arbitrary<CataloguedPack> = fc
  .tuple(
    digest,
    fc.array(fc.tuple(fc.nat(100_000), block, fc.array(run, { minLength: 1, maxLength: 5 })), {
      minLength: 1,
      maxLength: 8,
    }),
  )
  .map(([name, blocks]) => {
    let end = 0;
    return {
      digest: name,
      blocks: blocks.map(([gap, { codec }, runs]) => {
        const rawLength = runs.reduce((sum, { skip, count }) => sum + skip + count, 0);
        const length = codec === 'raw' ? rawLength : 1000;
        const offset = end + gap;
        end = offset + length;
        return { offset, length, codec, rawLength, runs };
      }),
    };
  });
const catalogue = fc.array(pack, { maxLength: 6 });
const salt = Buffer.alloc(saltBytes, 7);

test('an index', () => {
  fc.assert(
    fc.property(index, (blocks) => {
      expect(decodePackIndex(encodePackIndex(blocks))).toEqual(blocks);
    }),
  );
});

test('a catalogue', () => {
  fc.assert(
    fc.property(catalogue, (packs) => {
      expect(decodeCatalogue(encodeCatalogue(packs, salt))).toEqual(packs);
    }),
  );
});

/** Bytes as they were put, with some of them others, cut off or doubled. */
const damaged = (whole: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(whole, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), fc.boolean())
    .map(([bytes, changes, cut, shorter]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
      return shorter ? copy.subarray(0, cut % (copy.length + 1)) : Buffer.concat([copy, copy.subarray(0, cut % 40)]);
    });

/** A TowError is a refusal; anything else that is thrown is a bug. */
function refusedOr<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TowError)) throw error;
    expect(['bad-message', 'limit-exceeded']).toContain(error.code);
    return undefined;
  }
}

test('whatever lies there is read within limits, or refused', () => {
  const noise = fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(noise, damaged(index.map(encodePackIndex))), (bytes) => {
      const blocks = refusedOr(() => decodePackIndex(bytes)) ?? [];
      for (const { rawLength, chunks: list } of blocks)
        expect(list.reduce((sum, { length }) => sum + length, 0)).toBe(rawLength);
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.oneof(noise, damaged(catalogue.map((packs) => encodeCatalogue(packs, salt)))), (bytes) => {
      for (const { blocks } of refusedOr(() => decodeCatalogue(bytes)) ?? [])
        for (const { runs, rawLength } of blocks)
          expect(runs.reduce((sum, { skip, count }) => sum + skip + count, 0)).toBeLessThanOrEqual(rawLength);
    }),
    { numRuns: 1000 },
  );
});

test('an index that says more chunks than it has takes no memory for them', () => {
  const header = Buffer.from([1, 1, 10, 1, 0x80, 0x80, 0x80, 4, 0xff, 0xff, 0xff, 0xff, 0x0f]);
  expect(() => decodePackIndex(Buffer.concat([header, Buffer.alloc(100, 1)]))).toThrow(TowError);
});

test('the spans that are fetched have every block with a wanted chunk, once, and no longer gaps than are worth it', () => {
  const ranges = fc
    .uniqueArray(fc.nat(3000), { maxLength: 40 })
    .map((ordinals) => ordinals.sort((a, b) => a - b).flatMap((ordinal) => [ordinal, 1]));
  const near = fc.array(
    pack.map((one) => ({
      ...one,
      blocks: one.blocks.map((each) => ({ ...each, runs: each.runs.map((r) => ({ ...r, first: r.first % 3000 })) })),
    })),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(near, ranges, (packs, wanted) => {
      const has = new Set(wanted.filter((_, at) => at % 2 === 0));
      const expected = packs.flatMap(({ blocks }) =>
        blocks.filter(({ runs }) =>
          runs.some(({ first, count }) => [...has].some((ordinal) => ordinal >= first && ordinal < first + count)),
        ),
      );
      const spans = [...spansOf(packs, wanted)];
      expect(spans.flatMap(({ blocks }) => blocks)).toEqual(expected);
      for (const { offset, length, blocks } of spans) {
        expect(blocks[0]?.offset).toBe(offset);
        const last = blocks.at(-1);
        expect((last?.offset ?? 0) + (last?.length ?? 0)).toBe(offset + length);
      }
    }),
  );
});
