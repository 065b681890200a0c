/**
 * Content-defined chunking: a gear hash with normalised chunking, after FastCDC (Xia et al., USENIX ATC 2016).
 *
 * Cut points are wire contract: both ends must find the same ones, in every version (test/fixtures/chunk). A cut depends
 * on the 32 bytes before it and on the distance from the cut before, nothing else, so an insertion moves the cuts after
 * it and soon meets the old ones again. The masks of all size classes are nested: a cut of a larger class is one of a
 * smaller class too, as far as shortest and longest lengths allow, so a file that grows into another class still shares
 * chunks. Only data is chunked here; a file's holes are records of their own, and cutting starts anew behind each. `cutPoint`
 * says how it is done; `CutBuffer` does it faster.
 */
import { hash as digest } from 'node:crypto';

/** How long chunks are, in bytes. */
export interface ChunkSizes {
  readonly min: number;
  /** Where the mask turns from strict to loose; the mean length comes out about 5 % above it. */
  readonly normal: number;
  readonly max: number;
  /** A cut is where all these bits of the hash are 0: up to `normal`, and beyond. */
  readonly strictMask: number;
  readonly looseMask: number;
}

/** Files up to this many bytes are one chunk. */
export const wholeFileBytes = 8 << 10;

/** File sizes up to `fileBytes` have chunks of 2^`bits` bytes: digests cost 36 bytes a chunk, an edit costs a chunk or two. */
const classes: readonly { readonly fileBytes: number; readonly bits: number }[] = [
  { fileBytes: 4 << 20, bits: 12 },
  { fileBytes: 32 << 20, bits: 13 },
  { fileBytes: 4 * 2 ** 30, bits: 14 },
  { fileBytes: Number.POSITIVE_INFINITY, bits: 16 },
];

const sizesByBits = new Map<number, ChunkSizes>(
  classes.map(({ bits }) => [
    bits,
    {
      min: 2 ** (bits - 1),
      normal: 2 ** bits,
      max: 2 ** (bits + 2),
      strictMask: topBits(bits),
      looseMask: topBits(bits - 2),
    },
  ]),
);

const whole: ChunkSizes = {
  min: wholeFileBytes,
  normal: wholeFileBytes,
  max: wholeFileBytes,
  strictMask: 0,
  looseMask: 0,
};

/** The longest chunk of any class, in bytes: what a reader must have at hand to find a cut. */
export const longestChunkBytes = Math.max(...[...sizesByBits.values()].map((sizes) => sizes.max));

/** The chunk sizes of a file of `fileBytes` bytes, holes counted. */
export function chunkSizes(fileBytes: number): ChunkSizes {
  if (fileBytes <= wholeFileBytes) return whole;
  const bits = classes.find((sizeClass) => fileBytes <= sizeClass.fileBytes)?.bits ?? 0;
  return sizesByBits.get(bits) ?? whole;
}

/** The high bits see the last 32 bytes, the low ones only the last few. */
function topBits(count: number): number {
  return -1 << (32 - count);
}

/** The bytes before a cut that decide it. */
export const windowBytes = 32;

/** What each byte value adds to the hash, which is shifted left by one before: `hash = (hash << 1) + gear[byte]`. */
export const gear = makeGear();

/** One random-looking number a byte value: the first four bytes, little endian, of SHA-256 of `towline gear N`. */
function makeGear(): Int32Array {
  const table = new Int32Array(256);
  for (let value = 0; value < table.length; value += 1) {
    table[value] = digest('sha256', `towline gear ${value}`, 'buffer').readInt32LE(0);
  }
  return table;
}

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
