import { type ChunkSizes, chunkSizes } from '../../chunk/chunker.ts';
import { type Digest, digestBytes } from '../../chunk/digest.ts';
import {
  type ChunkList,
  chunkCount,
  chunkDigest,
  chunkLength,
  chunkOffsets,
  isHole,
  recordBytes,
} from '../../chunk/entry.ts';
import { type Span, type SpanTags, spanAt, tagBytes } from './span-tags.ts';

/**
 * Where a file was cut when it was read last. A cut depends on nothing but the bytes from the cut before on
 * (chunk/chunker.ts), so where a chunk of an earlier version begins and has its digest, it ends there too: hashing is
 * enough, which takes half the time of looking for the cut. Where the digest is another one, the next chunk that both
 * versions have puts them in step again.
 */
export class KnownCuts {
  readonly #list: ChunkList;
  readonly #count: number;
  /** The record that should come next; undefined when out of step. */
  #at: number | undefined;
  /** Where that one begins in the former file. */
  #offset: number;
  #places: ChunkPlaces | undefined;
  #offsets: Float64Array | undefined;
  /** By the index of a span's first chunk, where its tag lies. */
  readonly #tagged = new Map<number, number>();
  readonly #tags: Uint8Array;

  private constructor(list: ChunkList, first: number | undefined, offset: number, spans: SpanTags | undefined) {
    this.#list = list;
    this.#at = first;
    this.#offset = offset;
    this.#count = chunkCount(list);
    this.#tags = spans?.tags ?? new Uint8Array(0);
    for (const [at, start] of spans?.starts.entries() ?? []) this.#tagged.set(start, at * tagBytes);
  }

  /** Undefined when the earlier version is of no use: another size class, or none. */
  static of(list: ChunkList | undefined, sizes: ChunkSizes): KnownCuts | undefined {
    return KnownCuts.from(0, list, sizes);
  }

  /** For reading that begins at an offset: in step if a chunk began there before, too. `spans` are tags of the list's. */
  static from(offset: number, list: ChunkList | undefined, sizes: ChunkSizes, spans?: SpanTags): KnownCuts | undefined {
    if (list === undefined || list === '') return undefined;
    let bytes = 0;
    let first: number | undefined;
    for (let at = 0; at < chunkCount(list); at += 1) {
      if (bytes === offset) first ??= at;
      bytes += chunkLength(list, at);
    }
    return chunkSizes(bytes) === sizes ? new KnownCuts(list, first, offset, spans) : undefined;
  }

  /** The chunk that may come next. The last one before a hole or the end was not cut by its content. */
  get next(): { readonly digest: Digest; readonly length: number } | undefined {
    const at = this.#at;
    if (at === undefined || at + 1 >= this.#count || isHole(this.#list, at) || isHole(this.#list, at + 1))
      return undefined;
    return { digest: chunkDigest(this.#list, at), length: chunkLength(this.#list, at) };
  }

  /** The span that may come next, and its tag. */
  get nextSpan(): { readonly span: Span; readonly tag: Uint8Array } | undefined {
    const at = this.#at;
    const tag = at === undefined ? undefined : this.#tagged.get(at);
    const span = at === undefined || tag === undefined ? undefined : spanAt(this.#list, at);
    return span === undefined || tag === undefined
      ? undefined
      : { span, tag: this.#tags.subarray(tag, tag + tagBytes) };
  }

  /** Where what may come next begins in the former file, in bytes. */
  get offset(): number {
    return this.#offset;
  }

  /** It was that span that came next. */
  passedSpan({ chunks, bytes }: Span): void {
    if (this.#at === undefined) return;
    this.#at += chunks;
    this.#offset += bytes;
  }

  /** It was `digest` that came next. */
  passed(digest: Digest): void {
    const at = this.#at;
    if (at !== undefined && at < this.#count && chunkDigest(this.#list, at) === digest) {
      this.#at = at + 1;
      this.#offset += chunkLength(this.#list, at);
      return;
    }
    this.#places ??= new ChunkPlaces(this.#list);
    const found = this.#places.of(digest);
    this.#at = found === undefined ? undefined : found + 1;
    if (this.#at !== undefined) this.#offset = this.#offsetOf(this.#at);
  }

  #offsetOf(index: number): number {
    this.#offsets ??= chunkOffsets(this.#list);
    return this.#offsets[index] ?? 0;
  }
}

/** Where each digest of a list occurs first, without a string for any of them: open addressing with linear probing. */
class ChunkPlaces {
  readonly #list: ChunkList;
  /** Index + 1; 0 is empty. At most half of it is full. */
  readonly #slots: Int32Array;

  /** Some 2 ms for 65,000 chunks. */
  constructor(list: ChunkList) {
    const count = chunkCount(list);
    this.#list = list;
    this.#slots = new Int32Array(1 << Math.ceil(Math.log2(2 * count + 2)));
    for (let at = 0; at < count; at += 1) {
      const slot = this.#slotOf(list, at * recordBytes);
      if (this.#slots[slot] === 0) this.#slots[slot] = at + 1;
    }
  }

  of(digest: Digest): number | undefined {
    const found = this.#slots[this.#slotOf(digest, 0)] ?? 0;
    return found === 0 ? undefined : found - 1;
  }

  /** The slot of the digest that begins at `from` of a text, or the empty one where it belongs. */
  #slotOf(text: string, from: number): number {
    const mask = this.#slots.length - 1;
    let slot = 0;
    for (let at = 3; at >= 0; at -= 1) slot = (slot << 8) | text.charCodeAt(from + at);
    for (;;) {
      slot &= mask;
      const held = this.#slots[slot] ?? 0;
      if (held === 0 || sameDigest(this.#list, (held - 1) * recordBytes, text, from)) return slot;
      slot += 1;
    }
  }
}

function sameDigest(a: string, aFrom: number, b: string, bFrom: number): boolean {
  for (let at = 0; at < digestBytes; at += 1) if (a.charCodeAt(aFrom + at) !== b.charCodeAt(bFrom + at)) return false;
  return true;
}
