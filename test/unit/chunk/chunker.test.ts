import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chunkSizes, cutPoint, longestChunkBytes, wholeFileBytes } from '../../../protocol/chunk/chunker.ts';
import { maxChunkBytes } from '../../../protocol/chunk/entry.ts';
import { cutsOf, noise } from '../../helpers/noise.ts';

/** Cut points of `noise(1, 1 MiB)` a class, as every version must find them. Never regenerated: a change breaks the wire. */
const golden: unknown = JSON.parse(readFileSync(new URL('../../fixtures/chunk/cuts-v1.json', import.meta.url), 'utf8'));

describe('cut points', () => {
  it('are those of the first version', () => {
    const data = noise(1, 1 << 20);
    const cuts = Object.fromEntries(
      [1 << 20, 8 << 20, 64 << 20, 2 ** 33].map((size) => [size, cutsOf(data, chunkSizes(size))]),
    );
    expect(cuts).toEqual(golden);
  });

  it('leave a small file whole, whatever is in it', () => {
    const data = noise(2, wholeFileBytes);
    expect(cutPoint(data, 0, data.length, chunkSizes(data.length))).toBe(data.length);
  });

  it('come at the longest length where the data says nothing', () => {
    const sizes = chunkSizes(1 << 20);
    const same = new Uint8Array(100_000).fill(7);
    expect(cutsOf(same, sizes).slice(0, 2)).toEqual([sizes.max, 2 * sizes.max]);
  });

  it.each([1, 9 << 10, 5 << 20, 40 << 20, 5 * 2 ** 30])(
    'of a file of %d bytes are within what an entry may say',
    (size) => {
      const sizes = chunkSizes(size);
      expect(sizes.max).toBeLessThanOrEqual(longestChunkBytes);
      expect(longestChunkBytes).toBeLessThanOrEqual(maxChunkBytes);
      expect(sizes.min).toBeGreaterThan(32);
    },
  );

  it('have about the mean length of their class', () => {
    for (const size of [1 << 20, 8 << 20, 64 << 20]) {
      const sizes = chunkSizes(size);
      const data = noise(3, 4 << 20);
      const mean = data.length / cutsOf(data, sizes).length;
      expect(mean / sizes.normal).toBeGreaterThan(0.9);
      expect(mean / sizes.normal).toBeLessThan(1.2);
    }
  });
});
