import { type ChunkSizes, chunkSizes } from '../../chunk/chunker.ts';
import type { Digest } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, chunkLength, isHole } from '../../chunk/entry.ts';
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
  #places: Map<Digest, number> | undefined;
  /** By the index of a span's first chunk, where its tag lies. */
  readonly #tagged = new Map<number, number>();
  readonly #tags: Uint8Array;

  private constructor(list: ChunkList, first: number | undefined, spans: SpanTags | undefined) {
    this.#list = list;
    this.#at = first;
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
    return chunkSizes(bytes) === sizes ? new KnownCuts(list, first, spans) : undefined;
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

  /** It was that span that came next. */
  passedSpan({ chunks }: Span): void {
    if (this.#at !== undefined) this.#at += chunks;
  }

  /** It was `digest` that came next. */
  passed(digest: Digest): void {
    const at = this.#at;
    if (at !== undefined && at < this.#count && chunkDigest(this.#list, at) === digest) {
      this.#at = at + 1;
      return;
    }
    const found = this.#index().get(digest);
    this.#at = found === undefined ? undefined : found + 1;
  }

  #index(): Map<Digest, number> {
    if (this.#places !== undefined) return this.#places;
    const places = new Map<Digest, number>();
    for (let at = 0; at < this.#count; at += 1) places.set(chunkDigest(this.#list, at), at);
    this.#places = places;
    return places;
  }
}
