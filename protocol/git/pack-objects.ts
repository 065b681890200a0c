/** Reads objects out of a git pack (gitformat-pack(5)), of which the end may still be missing. */
import { readSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { errnoOf } from '../base/errors.ts';
import { applyGitDelta } from './git-delta.ts';

/** Bytes of an object that others are made from, at most; how many objects one may hang on (git's own limit is 50 unless it is told another), and bytes of their deltas. */
const maxBaseBytes = 32 << 20;
const maxDepth = 256;
const maxDeltaBytes = 32 << 20;
/** Bytes of objects that are kept, for those that are made from them mostly come soon after. */
const keptBytes = 16 << 20;
/** A header, with an offset. */
const headerBytes = 32;

const offsetDelta = 6;
const wholeTypes = new Set([1, 2, 3, 4]);

interface Header {
  readonly type: number;
  /** Of what is unpacked: the object, or its delta. */
  readonly size: number;
  /** Where the packed bytes begin. */
  readonly from: number;
  /** Offset of the object that a delta is to be applied to. */
  readonly base: number | undefined;
}

export class PackObjects {
  readonly #fd: number;
  readonly #kept = new Map<number, Buffer>();
  #keptBytes = 0;
  readonly #header = Buffer.allocUnsafe(headerBytes);
  #packed = Buffer.alloc(0);

  /** The file stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * The object at an offset; 'later' if it may end behind `available`, the bytes of the pack that are there (undefined: all).
   * Undefined for one of more than `maxBytes`, for one that names its base, for what is no object or cannot be read. Blocking.
   */
  read(offset: number, available: number | undefined, maxBytes: number): Buffer | 'later' | undefined {
    try {
      return this.#read(offset, available, maxBytes);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  /** Lets go of what is kept for objects that come. */
  forget(): void {
    this.#kept.clear();
    this.#keptBytes = 0;
    this.#packed = Buffer.alloc(0);
  }

  #read(offset: number, available: number | undefined, maxBytes: number): Buffer | 'later' | undefined {
    const deltas: { readonly offset: number; readonly bytes: Buffer }[] = [];
    let deltaBytes = 0;
    let at = offset;
    let made = this.#kept.get(at);
    while (made === undefined) {
      const header = this.#readHeader(at, available);
      if (header === 'later' || header === undefined) return header;
      const most = deltas.length === 0 && header.base === undefined ? maxBytes : maxBaseBytes;
      if (header.base !== undefined) deltaBytes += header.size;
      if (header.size > most || deltas.length > maxDepth || deltaBytes > maxDeltaBytes) return undefined;
      const bytes = this.#unpack(header, available);
      if (bytes === 'later' || bytes === undefined) return bytes;
      if (header.base === undefined) {
        made = this.#keep(at, bytes);
        break;
      }
      deltas.push({ offset: at, bytes });
      at = header.base;
      made = this.#kept.get(at);
    }
    for (const delta of deltas.toReversed()) {
      made = applyGitDelta(made, delta.bytes, delta.offset === offset ? maxBytes : maxBaseBytes);
      if (made === undefined) return undefined;
      this.#keep(delta.offset, made);
    }
    return made.length > maxBytes ? undefined : made;
  }

  #keep(offset: number, bytes: Buffer): Buffer {
    this.#kept.set(offset, bytes);
    this.#keptBytes += bytes.length;
    // The last stays, however large: it may be a base of bases.
    for (const [first, { length }] of this.#kept) {
      if (this.#keptBytes <= keptBytes || first === offset) break;
      this.#kept.delete(first);
      this.#keptBytes -= length;
    }
    return bytes;
  }

  #readHeader(offset: number, available: number | undefined): Header | 'later' | undefined {
    if (available !== undefined && offset + headerBytes > available) return 'later';
    const bytes = this.#header.subarray(0, readSync(this.#fd, this.#header, 0, headerBytes, offset));
    let [byte] = bytes;
    if (byte === undefined) return undefined;
    const type = (byte >> 4) & 7;
    let size = byte & 15;
    let at = 1;
    for (let unit = 16; byte >= 0x80; unit *= 0x80) {
      byte = bytes[at++];
      if (byte === undefined || unit > 2 ** 42) return undefined;
      size += (byte & 0x7f) * unit;
    }
    if (wholeTypes.has(type)) return { type, size, from: offset + at, base: undefined };
    if (type !== offsetDelta) return undefined;
    // Each further byte counts from the first number that the shorter form cannot say.
    let back = -1;
    do {
      byte = bytes[at++];
      if (byte === undefined || back > 2 ** 42) return undefined;
      back = (back + 1) * 0x80 + (byte & 0x7f);
    } while (byte >= 0x80);
    return back > 0 && back < offset ? { type, size, from: offset + at, base: offset - back } : undefined;
  }

  #unpack({ from, size }: Header, available: number | undefined): Buffer | 'later' | undefined {
    // What deflate makes of bytes that do not shrink is a little longer than they are.
    const most = size + (size >> 10) + 64;
    if (available !== undefined && from + most > available) return 'later';
    if (this.#packed.length < most) this.#packed = Buffer.allocUnsafe(most);
    const packed = this.#packed.subarray(0, readSync(this.#fd, this.#packed, 0, most, from));
    try {
      const bytes = inflateSync(packed, { maxOutputLength: Math.max(1, size), chunkSize: Math.max(64, size + 1) });
      return bytes.length === size ? bytes : undefined;
    } catch {
      // Its code says what zlib found; whoever asked has another way to the same bytes.
      return undefined;
    }
  }
}
