/** How chunks are cut, in plain words: what every other way of it must come to. */
import { type ChunkSizes, gear, windowBytes } from '../../protocol/chunk/chunker.ts';

/**
 * The end of the chunk that starts at `start`. `bytes` up to `end` must hold either `sizes.max` bytes from `start` or
 * all that is left of the data. Reads nothing before `start`. Does not allocate.
 */
export function cutPoint(bytes: Uint8Array, start: number, end: number, sizes: ChunkSizes): number {
  if (end - start <= sizes.min) return end;
  const stop = Math.min(end, start + sizes.max);
  const normal = Math.min(stop, start + sizes.normal);
  const first = start + sizes.min;
  let hash = 0;
  for (let at = first - windowBytes; at < first; at += 1) hash = ((hash << 1) + gearOf(bytes, at)) | 0;
  const strict = firstCut(bytes, first, normal, hash, sizes.strictMask);
  if (strict !== noCut) return strict;
  const loose = firstCut(bytes, normal, stop, rolled, sizes.looseMask);
  return loose === noCut ? stop : loose;
}

const noCut = -1;
/** The hash at the end of the last search that found no cut. */
let rolled = 0;

/** Where between `from` and `to` the hash, which was `before`, has no bit of the mask. */
function firstCut(bytes: Uint8Array, from: number, to: number, before: number, mask: number): number {
  let hash = before;
  for (let at = from; at < to; at += 1) {
    hash = ((hash << 1) + gearOf(bytes, at)) | 0;
    if ((hash & mask) === 0) return at + 1;
  }
  rolled = hash;
  return noCut;
}

function gearOf(bytes: Uint8Array, at: number): number {
  return gear[bytes[at] ?? 0] ?? 0;
}
