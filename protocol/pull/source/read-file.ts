/**
 * Reads one file of a source into a chunk list. Runs in a worker thread; blocking. Memory does not depend on the size.
 */

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { cancelled } from '../../base/abort.ts';
import { errnoOf } from '../../base/errors.ts';
import { type NativePath } from '../../base/root-path.ts';
import { type ChunkSizes, chunkSizes, longestChunkBytes } from '../../chunk/chunker.ts';
import { CutBuffer } from '../../chunk/cut-buffer.ts';
import { digestBytes, digestOf, holeDigest } from '../../chunk/digest.ts';
import { type ChunkList, maxHoleBytes } from '../../chunk/entry.ts';
import { dataExtents, type Extent } from '../../libc/libc.ts';
import { type OpenFile, statOpen } from '../../libc/open-file.ts';
import { type Grain, settleMs } from './grain.ts';
import type { KeptRanges } from './kept-ranges.ts';
import { KnownCuts } from './known-cuts.ts';
import type { ReadContext } from './read-context.ts';
import { type SpanTagger, tagOf } from './span-tags.ts';

/** Chunk records of many files, one after the other. */
export class ListWriter {
  #buffer = Buffer.allocUnsafe(64 << 10);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  set length(value: number) {
    this.#at = value;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }

  add(digest: string, length: number): void {
    this.#reserve(digestBytes + 4);
    this.#at += this.#buffer.write(digest, this.#at, 'latin1');
    this.#at = this.#buffer.writeUInt32LE(length, this.#at);
  }

  /** Records as they are in a chunk list. */
  addAll(records: ChunkList): void {
    this.#reserve(records.length);
    this.#at += this.#buffer.write(records, this.#at, 'latin1');
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** Lengths of the chunks from record offset `start` on. */
  lengthsFrom(start: number): number[] {
    const lengths: number[] = [];
    for (let at = start + digestBytes; at < this.#at; at += digestBytes + 4)
      lengths.push(this.#buffer.readUInt32LE(at));
    return lengths;
  }
}

export type ReadResult =
  | { readonly status: 'settled' | 'fresh'; readonly stats: OpenFile }
  | { readonly status: 'gone' }
  /** Its bytes, or what it is, moved under the reader each time. */
  | { readonly status: 'unstable' };

export interface Cutter {
  /** Of the file, when it was begun to be read: with another one, the rest of it is read for nothing. */
  readonly ctimeNs: bigint;
  readonly sizes: ChunkSizes;
  readonly cuts: KnownCuts | undefined;
  /** Makes tags of what is read, and tells by them what is as it was. */
  readonly tagger?: SpanTagger | undefined;
  /** Is told what is as it was. */
  readonly kept?: KeptRanges | undefined;
}

const attempts = 3;
/** One for a thread: each takes much of a process's addresses. What is in it is only the next reader's. */
export const cutting = new CutBuffer(1 << 20);
const buffer = cutting.bytes;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Appends the file's records to `lists`; `known` is the list that it had before, if that is known. Throws system errors (EACCES, EIO …) and `cancelled`. */
export function readFile(path: NativePath, lists: ListWriter, context: ReadContext, known?: ChunkList): ReadResult {
  const start = lists.length;
  return readStable(path, context.grain, (fd, stats) => {
    lists.length = start;
    context.carrier?.begin(stats.size);
    return readChunks(fd, stats, lists, context, known);
  });
}

/** Runs `read`, which says whether all was there, until the file did not change meanwhile. Throws as `readFile`. */
export function readStable(path: NativePath, grain: Grain, read: (fd: number, stats: OpenFile) => boolean): ReadResult {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const fd = open(path);
    if (fd === undefined) return { status: 'gone' };
    try {
      const result = typeof fd === 'number' ? readOnce(fd, path, grain, read) : undefined;
      if (result !== undefined) return result;
    } finally {
      if (typeof fd === 'number') closeSync(fd);
    }
    Atomics.wait(pause, 0, 0, attempt * 10);
  }
  return { status: 'unstable' };
}

/** Undefined when nothing is there; 'other' when it is no file that can be read. */
function open(path: NativePath): number | 'other' | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    if (errno === 'ELOOP' || errno === 'ENXIO' || errno === 'EISDIR') return 'other';
    throw error;
  }
}

/** Undefined when the file changed meanwhile. */
function readOnce(
  fd: number,
  path: NativePath,
  grain: Grain,
  read: (fd: number, stats: OpenFile) => boolean,
): ReadResult | undefined {
  let before = statOpen(fd);
  let nowMs = Date.now();
  const waitMs = settleMs(before.ctimeNs, nowMs);
  if (waitMs > 0) {
    Atomics.wait(pause, 0, 0, waitMs);
    nowMs = Date.now();
    before = statOpen(fd);
  }
  // Still as young: somebody is writing at this moment, and a write in the same tick would go unseen.
  if (before.kind !== 'file' || settleMs(before.ctimeNs, nowMs) > 0) return undefined;
  if (!read(fd, before)) return undefined;
  const after = statOpen(fd);
  if (after.ctimeNs !== before.ctimeNs || after.mtimeNs !== before.mtimeNs || after.size !== before.size)
    return undefined;
  const ageNs = BigInt(nowMs) * 1_000_000n - before.ctimeNs;
  return { status: ageNs > grain.of(before, path) ? 'settled' : 'fresh', stats: before };
}

function readChunks(
  fd: number,
  stats: OpenFile,
  lists: ListWriter,
  context: ReadContext,
  known: ChunkList | undefined,
): boolean {
  const { size } = stats;
  const sizes = chunkSizes(size);
  const cutter = { ctimeNs: stats.ctimeNs, sizes, cuts: KnownCuts.of(known, sizes) };
  if (isSparse(stats)) context.carrier?.drop();
  const extents = (isSparse(stats) ? dataExtents(fd, size) : undefined) ?? [{ offset: 0, length: size }];
  let at = 0;
  for (const extent of extents) {
    addHole(lists, extent.offset - at);
    if (readExtent(fd, extent, cutter, lists, context) === undefined) return false;
    at = extent.offset + extent.length;
  }
  addHole(lists, size - at);
  return true;
}

/** Whether it may have holes. */
export function isSparse({ blocks, size }: OpenFile): boolean {
  return blocks * 512 < size;
}

function addHole(lists: ListWriter, length: number): void {
  for (let left = length; left > 0; left -= maxHoleBytes) lists.add(holeDigest, Math.min(left, maxHoleBytes));
}

/** Cuts an extent up to its end, or the first cut at `until` or beyond. Returns where that is; undefined when the file ends before it should, or was written to. */
export function readExtent(
  fd: number,
  extent: Extent,
  cutter: Cutter,
  lists: ListWriter,
  context: ReadContext,
  until = Number.POSITIVE_INFINITY,
): number | undefined {
  const end = extent.offset + extent.length;
  let position = extent.offset;
  let filled = 0;
  while (position < end || filled > 0) {
    while (filled < buffer.length && position < end) {
      const got = readSync(fd, buffer, filled, Math.min(buffer.length - filled, end - position), position);
      if (got === 0) return undefined;
      filled += got;
      position += got;
    }
    if (Atomics.load(context.cancel, 0) !== 0) throw cancelled();
    if (position < end && statOpen(fd).ctimeNs !== cutter.ctimeNs) return undefined;
    const start = position - filled;
    const from = cutAll({ start, filled, last: position === end }, cutter, lists, until - start);
    context.onBytes(from);
    context.carrier?.add(buffer.subarray(0, from));
    if (start + from >= until) return start + from;
    buffer.copyWithin(0, from, filled);
    filled -= from;
  }
  return end;
}

/** What is in the buffer: where it begins in the file, how much it is, and whether that is the last of it. */
interface Filled {
  readonly start: number;
  readonly filled: number;
  readonly last: boolean;
}

/** Cuts and hashes what is in the buffer, all of it if it is the last, but not from `until` on; returns how far it came. */
function cutAll(
  { start, filled, last }: Filled,
  { sizes, cuts, tagger, kept }: Cutter,
  lists: ListWriter,
  until: number,
): number {
  const stop = Math.min(last ? filled : filled - longestChunkBytes, until);
  let from = 0;
  while (from < stop) {
    const known = tagger === undefined ? undefined : cuts?.nextSpan;
    if (known !== undefined && tagger !== undefined && from + known.span.bytes <= until) {
      const { span, tag } = known;
      const to = from + span.bytes;
      // With more in the buffer it can be told.
      if (to > filled && !last && from > 0) return from;
      if (to <= filled && tagOf(tagger.key, buffer.subarray(from, to)).equals(tag)) {
        lists.addAll(span.records);
        tagger.span(span, tag);
        if (cuts !== undefined) kept?.add(cuts.offset, start + from, span.bytes);
        cuts?.passedSpan(span);
        from = to;
        continue;
      }
    }
    const guess = cuts?.next;
    let cut = guess === undefined ? filled + 1 : from + guess.length;
    let digest = cut > filled ? undefined : digestOf(buffer.subarray(from, cut));
    if (digest === undefined || digest !== guess?.digest) {
      cut = cutting.cutPoint(from, filled, sizes);
      digest = digestOf(buffer.subarray(from, cut));
    }
    if (cuts !== undefined && digest === guess?.digest) kept?.add(cuts.offset, start + from, cut - from);
    lists.add(digest, cut - from);
    tagger?.chunk(digest, buffer.subarray(from, cut));
    cuts?.passed(digest);
    from = cut;
  }
  return from;
}
