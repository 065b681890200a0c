import { type ChunkSizes, chunkSizes } from '../../chunk/chunker.ts';
import type { Digest } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, chunkLength, isHole } from '../../chunk/entry.ts';

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

  private constructor(list: ChunkList, first: number | undefined) {
    this.#list = list;
    this.#at = first;
    this.#count = chunkCount(list);
  }

  /** Undefined when the earlier version is of no use: another size class, or none. */
  static of(list: ChunkList | undefined, sizes: ChunkSizes): KnownCuts | undefined {
    return KnownCuts.from(0, list, sizes);
  }

  /** For reading that begins at an offset: in step if a chunk began there before, too. */
  static from(offset: number, list: ChunkList | undefined, sizes: ChunkSizes): KnownCuts | undefined {
    if (list === undefined || list === '') return undefined;
    let bytes = 0;
    let first: number | undefined;
    for (let at = 0; at < chunkCount(list); at += 1) {
      if (bytes === offset) first ??= at;
      bytes += chunkLength(list, at);
    }
    return chunkSizes(bytes) === sizes ? new KnownCuts(list, first) : undefined;
  }

  /** The chunk that may come next. The last one before a hole or the end was not cut by its content. */
  get next(): { readonly digest: Digest; readonly length: number } | undefined {
    const at = this.#at;
    if (at === undefined || at + 1 >= this.#count || isHole(this.#list, at) || isHole(this.#list, at + 1))
      return undefined;
    return { digest: chunkDigest(this.#list, at), length: chunkLength(this.#list, at) };
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
