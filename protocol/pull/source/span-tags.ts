/**
 * Tells whether a span of a large file is as it was, without a digest of each of its chunks: a tag of the whole span is
 * compared, which takes a fifth of the time. A span is some chunks in a row, up to one whose digest says that it ends there;
 * so spans, like chunks, are found again wherever they are moved to.
 *
 * A tag is GMAC (NIST SP 800-38D: AES-GCM's tag over additional data alone) under a random key and one nonce. That a nonce
 * is used again matters to those who see tags; key and tags stay in this process's memory, so that nobody can look for two
 * contents with one tag. Two that nobody looked for have one with a chance of less than 2^-110.
 */
import { type CipherGCM, createCipheriv } from 'node:crypto';
import { type Digest, digestBytes } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkLength, isHole, recordBytes } from '../../chunk/entry.ts';

/** Bytes of a span, at most: it must fit into the memory that is read to. */
const maxSpanBytes = 896 << 10;
export const tagBytes = 16;
const nonce = Buffer.alloc(12);

/** Of the spans of one chunk list that have a tag, in order: the index of the first chunk, and the tag. */
export interface SpanTags {
  readonly starts: Uint32Array;
  readonly tags: Uint8Array;
}

export interface Span {
  readonly chunks: number;
  readonly bytes: number;
  /** The records of its chunks. */
  readonly records: ChunkList;
}

/** One chunk in eight, about. */
function endsSpan(list: string, at: number): boolean {
  return list.charCodeAt(at) < 32;
}

/** The span of a list that begins with a chunk; undefined if it has no end, is too long, or a hole, the end of the file or what is cut by those is in it. */
export function spanAt(list: ChunkList, first: number): Span | undefined {
  const count = chunkCount(list);
  let bytes = 0;
  for (let at = first; at + 1 < count && !isHole(list, at) && !isHole(list, at + 1); at += 1) {
    bytes += chunkLength(list, at);
    if (bytes > maxSpanBytes) return undefined;
    if (endsSpan(list, at * recordBytes))
      return { chunks: at + 1 - first, bytes, records: list.slice(first * recordBytes, (at + 1) * recordBytes) };
  }
  return undefined;
}

function begin(key: Uint8Array): CipherGCM {
  return createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
}

function end(cipher: CipherGCM): Buffer {
  cipher.final();
  return cipher.getAuthTag();
}

export function tagOf(key: Uint8Array, bytes: Uint8Array): Buffer {
  return end(begin(key).setAAD(bytes, { plaintextLength: 0 }));
}

/** Makes the tags of a list while its chunks are told one after the other. */
export class SpanTagger {
  readonly key: Uint8Array;
  readonly #starts: number[] = [];
  readonly #tags: Buffer[] = [];
  /** Chunks so far. */
  #chunks = 0;
  /** Undefined where it is not known that a span begins here, or it is too long. */
  #cipher: CipherGCM | undefined;
  #first = 0;
  #bytes = 0;

  /** `begins` is whether the list is told from its beginning. */
  constructor(key: Uint8Array, begins: boolean) {
    this.key = key;
    if (begins) this.#begin();
  }

  #begin(): void {
    this.#cipher = begin(this.key);
    this.#first = this.#chunks;
    this.#bytes = 0;
  }

  chunk(digest: Digest, bytes: Uint8Array): void {
    this.#chunks += 1;
    this.#bytes += bytes.length;
    if (this.#bytes > maxSpanBytes) this.#cipher = undefined;
    this.#cipher?.setAAD(bytes, { plaintextLength: 0 });
    if (!endsSpan(digest, 0)) return;
    if (this.#cipher !== undefined) this.#add(end(this.#cipher));
    this.#begin();
  }

  /** A whole span, whose tag is known. */
  span({ chunks }: Span, tag: Uint8Array): void {
    this.#first = this.#chunks;
    this.#add(Buffer.from(tag));
    this.#chunks += chunks;
    this.#begin();
  }

  #add(tag: Buffer): void {
    this.#starts.push(this.#first);
    this.#tags.push(tag);
  }

  get tags(): SpanTags {
    return { starts: Uint32Array.from(this.#starts), tags: new Uint8Array(Buffer.concat(this.#tags)) };
  }
}

/** Tags of the parts of a list, one after the other, as those of the whole. */
export function joinTags(parts: readonly { readonly list: Uint8Array; readonly tags: SpanTags }[]): SpanTags {
  const starts: number[] = [];
  let before = 0;
  for (const { list, tags } of parts) {
    for (const start of tags.starts) starts.push(before + start);
    before += list.length / (digestBytes + 4);
  }
  return { starts: Uint32Array.from(starts), tags: new Uint8Array(Buffer.concat(parts.map(({ tags }) => tags.tags))) };
}
