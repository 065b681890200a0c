import { type ChunkSizes, cutPoint } from '../../protocol/chunk/chunker.ts';

/** Bytes that look random and are the same each time (xorshift32). */
export function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 0x9e3779b1) | 1;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state >>> 11;
  }
  return bytes;
}

/** Every cut of `data`, its end included. */
export function cutsOf(data: Uint8Array, sizes: ChunkSizes): number[] {
  const cuts: number[] = [];
  for (let at = 0; at < data.length; ) {
    at = cutPoint(data, at, data.length, sizes);
    cuts.push(at);
  }
  return cuts;
}
