import { Turns } from '../../base/turns.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { addOrdinal, newChunks } from '../../chunk/new-chunks.ts';

/**
 * The data chunks of `part` that the file at the same path of `base` does not have, as first, count, …: ordinals of
 * `part`. Undefined when they are more than `maxBytes`: then it pays to let the replica look for them elsewhere first. A few milliseconds at a time.
 */
export async function newRanges(base: Manifest, part: Manifest, maxBytes: number): Promise<number[] | undefined> {
  const ranges: number[] = [];
  let ordinal = 0;
  let bytes = 0;
  for await (const file of newChunks(base, part, new Turns())) {
    bytes += file.bytes;
    if (bytes > maxBytes) return undefined;
    for (const index of file.indexes) addOrdinal(ranges, ordinal + index);
    ordinal += file.dataChunks;
  }
  return ranges;
}
