import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinPath } from '../../../../protocol/base/root-path.ts';
import { chunkCount, chunkLength, isHole } from '../../../../protocol/chunk/entry.ts';
import type { Manifest } from '../../../../protocol/chunk/manifest.ts';
import { packTargetBytes } from '../../../../protocol/chunk/pack.ts';
import { ChunkLocator } from '../../../../protocol/pull/source/chunk-locator.ts';
import { arbitraryManifest } from '../../../helpers/arbitrary-manifest.ts';

/** Every data chunk in ordinal order, the plain way. */
function chunksOf({ directories }: Manifest): string[] {
  const all: string[] = [];
  for (const path of [...directories.keys()].sort()) {
    for (const entry of directories.get(path)?.entries ?? []) {
      if (entry.kind !== 'file') continue;
      let offset = 0;
      for (let at = 0; at < chunkCount(entry.content); at += 1) {
        const length = chunkLength(entry.content, at);
        if (!isHole(entry.content, at)) all.push(`${joinPath(path, entry.name)} ${offset} ${length}`);
        offset += length;
      }
    }
  }
  return all;
}

describe('a plan', () => {
  it('has exactly the chunks that were asked for, in order, in packs that are not too large', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryManifest,
        fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 4 }))),
        async (manifest, steps) => {
          const all = chunksOf(manifest);
          const locator = await ChunkLocator.of(manifest);
          expect(locator.count).toBe(all.length);
          const ranges: number[] = [];
          const wanted: string[] = [];
          let next = 0;
          for (const [gap, count] of steps) {
            if (next + gap + count > all.length) break;
            ranges.push(next + gap, count);
            wanted.push(...all.slice(next + gap, next + gap + count));
            next += gap + count;
          }
          const got: string[] = [];
          const ordinals: number[] = [];
          for (const { parts, runs, rawBytes } of locator.plan(ranges, () => packTargetBytes)) {
            let bytes = 0;
            for (const { path, offset, list } of parts) {
              let at = offset;
              for (let index = 0; index < chunkCount(list); index += 1) {
                const length = chunkLength(list, index);
                if (!isHole(list, index)) {
                  got.push(`${path} ${at} ${length}`);
                  bytes += length;
                }
                at += length;
              }
            }
            expect(bytes).toBe(rawBytes);
            expect(rawBytes).toBeLessThanOrEqual(packTargetBytes);
            for (const { first, count } of runs) for (let at = first; at < first + count; at += 1) ordinals.push(at);
          }
          expect(got).toEqual(wanted);
          expect(ordinals.map((at) => all[at])).toEqual(wanted);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([[[1, 1, 0, 1]], [[0, 0]], [[0, 2 ** 40]], [[0.5, 1]], [[0]]])('of %j is refused', async (ranges) => {
    const root = { kind: 'dir', name: '', mode: 0, mtimeSec: 0, mtimeNsec: 0, size: 0, content: '' } as const;
    const locator = await ChunkLocator.of({ root, directories: new Map([['', { path: '', entries: [] }]]) });
    expect(() => [...locator.plan(ranges, () => packTargetBytes)]).toThrow(
      expect.objectContaining({ code: 'bad-message' }),
    );
  });
});
