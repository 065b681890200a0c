import { asDigest, type Digest, digestBytes, holeDigest } from './digest.ts';

/**
 * One name in a directory of a root. All kinds share one shape, so that a tree of a million of them stays monomorphic
 * and small; `kind` says which fields mean something.
 */
export interface Entry {
  readonly kind: EntryKind;
  /** Last path component, latin1-held bytes; '' only for the root itself. */
  readonly name: string;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Modification time: whole seconds since the epoch, may be negative. */
  readonly mtimeSec: number;
  /** Modification time: nanoseconds, 0 to 999,999,999. */
  readonly mtimeNsec: number;
  /** Length in bytes; files only, else 0. */
  readonly size: number;
  /**
   * file: its chunk list (see `ChunkList`); symlink: the link's text; hardlink: path, from the root, of the file that
   * it is another name of (the first in path order, itself a `file`); else ''.
   */
  readonly content: string;
}

/**
 * `unknown` is a path the source has but could not read: a replica leaves whatever it has there, and below it, alone.
 */
export type EntryKind = 'file' | 'dir' | 'symlink' | 'hardlink' | 'unknown';

/**
 * A file's chunks in order, as one latin1 string of 36-byte records: digest (32 bytes), length (4 bytes, little endian).
 * A record with `holeDigest` is a hole. An empty file has no record. Two files have equal bytes and holes exactly when
 * their lists are equal, given equal chunking.
 */
export type ChunkList = string;

/** Characters of one record. */
export const recordBytes = digestBytes + 4;

/** The longest data chunk, in bytes. Holes may be as long as a record can say. */
export const maxChunkBytes = 1 << 20;

/** The longest hole one record may say, in bytes; a longer one takes several records. */
export const maxHoleBytes = 0x7fff_ffff;

export function chunkRecord(digest: Digest, length: number): ChunkList {
  return (
    digest + String.fromCharCode(length & 0xff, (length >>> 8) & 0xff, (length >>> 16) & 0xff, (length >>> 24) & 0xff)
  );
}

export function chunkCount(list: ChunkList): number {
  return list.length / recordBytes;
}

/** Chunks that are no holes. */
export function dataChunkCount(list: ChunkList): number {
  let count = chunkCount(list);
  for (let at = count - 1; at >= 0; at -= 1) if (isHole(list, at)) count -= 1;
  return count;
}

export function chunkDigest(list: ChunkList, index: number): Digest {
  return asDigest(list.slice(index * recordBytes, index * recordBytes + digestBytes));
}

export function chunkLength(list: ChunkList, index: number): number {
  const at = index * recordBytes + digestBytes;
  return (
    list.charCodeAt(at) +
    list.charCodeAt(at + 1) * 0x100 +
    list.charCodeAt(at + 2) * 0x1_0000 +
    list.charCodeAt(at + 3) * 0x100_0000
  );
}

/** Where each chunk of a list begins, and the last one ends, in bytes. */
export function chunkOffsets(list: ChunkList): Float64Array {
  const offsets = new Float64Array(list.length / recordBytes + 1);
  let offset = 0;
  for (let at = 0; at + 1 < offsets.length; at += 1) {
    offset += chunkLength(list, at);
    offsets[at + 1] = offset;
  }
  return offsets;
}

export function isHole(list: ChunkList, index: number): boolean {
  return list.startsWith(holeDigest, index * recordBytes);
}

/** Whether two entries stand for the same object, times and mode included. */
export function sameEntry(a: Entry, b: Entry): boolean {
  return sameContent(a, b) && a.mode === b.mode && a.mtimeSec === b.mtimeSec && a.mtimeNsec === b.mtimeNsec;
}

/** Whether two entries have the same kind and content, whatever their mode and times. */
export function sameContent(a: Entry, b: Entry): boolean {
  return a.kind === b.kind && a.size === b.size && a.content === b.content;
}
