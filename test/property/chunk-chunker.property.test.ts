/**
 * Invariants of chunking: chunks are the data, in order; what a reader holds beyond the longest chunk changes nothing
 * (so reading in pieces is the same as reading at once); cuts depend on nearby content only, so an insertion leaves most
 * chunks as they were.
 */

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChunkSizes, chunkSizes, cutPoint } from '../../protocol/chunk/chunker.ts';
import { CutBuffer } from '../../protocol/chunk/cut-buffer.ts';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { cutsOf, noise } from '../helpers/noise.ts';

const data = fc
  .record({ seed: fc.integer({ min: 1, max: 1e6 }), length: fc.integer({ min: 0, max: 200_000 }), zeros: fc.boolean() })
  .map(({ seed, length, zeros }) => {
    const bytes = noise(seed, length);
    if (zeros) bytes.fill(0, length >> 2, length >> 1);
    return bytes;
  });
const sizes = fc.constantFrom(9_000, 8 << 20, 64 << 20, 2 ** 33).map(chunkSizes);

/** Cuts found with a window that holds the longest chunk and a bit more, as a file reader does. */
function cutsThroughWindow(bytes: Buffer, chunk: ChunkSizes, extra: number): number[] {
  const cuts: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const window = Buffer.from(bytes.subarray(at, at + chunk.max + extra));
    at += cutPoint(window, 0, window.length, chunk);
    cuts.push(at);
  }
  return cuts;
}

describe('chunks', () => {
  it('cover the data, none too long, only the last too short', () => {
    fc.assert(
      fc.property(data, sizes, (bytes, chunk) => {
        let from = 0;
        for (const cut of cutsOf(bytes, chunk)) {
          expect(cut - from).toBeLessThanOrEqual(chunk.max);
          if (cut < bytes.length) expect(cut - from).toBeGreaterThanOrEqual(chunk.min);
          expect(cut).toBeGreaterThan(from);
          from = cut;
        }
        expect(from).toBe(bytes.length);
      }),
    );
  });

  it('are the same however the data is read', () => {
    fc.assert(
      fc.property(data, sizes, fc.nat(5000), (bytes, chunk, extra) => {
        expect(cutsThroughWindow(bytes, chunk, extra)).toEqual(cutsOf(bytes, chunk));
      }),
    );
  });

  it.each([
    ['', () => new CutBuffer(300_000)],
    [' without WebAssembly', () => new CutBuffer(300_000, () => undefined)],
  ])('are found by a cut buffer%s, wherever in it the data begins and ends', (_, make) => {
    const cutting = make();
    fc.assert(
      fc.property(data, sizes, fc.nat(99_000), (bytes, chunk, before) => {
        // What is before and behind has no say.
        cutting.bytes.fill(before);
        bytes.copy(cutting.bytes, before);
        const cuts: number[] = [];
        for (let at = 0; at < bytes.length; ) {
          at = cutting.cutPoint(before + at, before + bytes.length, chunk) - before;
          cuts.push(at);
        }
        expect(cuts).toEqual(cutsOf(bytes, chunk));
      }),
      { numRuns: 300 },
    );
  });

  it('survive an insertion', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.nat(299_999),
        fc.integer({ min: 1, max: 3000 }),
        (seed, at, count) => {
          const chunk = chunkSizes(1 << 20);
          const before = noise(seed, 300_000);
          const after = Buffer.concat([before.subarray(0, at), noise(seed + 1, count), before.subarray(at)]);
          const known = new Set(digestsOf(before, chunk));
          const fresh = digestsOf(after, chunk).filter((digest) => !known.has(digest));
          // The chunks that hold what was inserted, and some until the cuts meet again.
          expect(fresh.length).toBeLessThanOrEqual(12);
        },
      ),
    );
  });

  it('of a larger class are mostly cuts of a smaller one', () => {
    const bytes = noise(5, 4 << 20);
    const small = new Set(cutsOf(bytes, chunkSizes(1 << 20)));
    const large = cutsOf(bytes, chunkSizes(8 << 20));
    expect(large.filter((cut) => small.has(cut)).length / large.length).toBeGreaterThan(0.5);
  });
});

function digestsOf(bytes: Buffer, chunk: ChunkSizes): string[] {
  let from = 0;
  return cutsOf(bytes, chunk).map((cut) => {
    const digest = digestOf(bytes.subarray(from, cut));
    from = cut;
    return digest;
  });
}
