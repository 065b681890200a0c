import { createHash, randomBytes } from 'node:crypto';
import { Turns } from '../../base/turns.ts';
import { asDigest, type Digest } from '../../chunk/digest.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import { joinTags, type SpanTags, tagOf } from './span-tags.ts';

/** Tags of all files together, at most: some tens of megabytes, and large files of some hundred gigabytes. */
const maxTags = 1 << 20;
/** Of a chunk list, hashed at once. */
const hashBytes = 1 << 20;

interface Known {
  /** Of the chunk list that the tags belong to. */
  readonly list: Digest;
  readonly spans: SpanTags;
}

/** The tags (span-tags.ts) of the large files that were hashed in this process, as they were last. */
export class SpanBook {
  readonly key: Uint8Array = randomBytes(32);
  readonly #files = new Map<string, Known>();
  #tags = 0;

  /** Undefined where the system forbids this cipher. */
  static make(): SpanBook | undefined {
    const book = new SpanBook();
    try {
      tagOf(book.key, new Uint8Array(0));
      return book;
    } catch {
      return undefined;
    }
  }

  /** Tags for what a file was, if it was that. A few milliseconds at a time. */
  async of(path: string, list: ChunkList): Promise<SpanTags | undefined> {
    const known = this.#files.get(path);
    if (known === undefined) return undefined;
    return known.list === (await digestInTurns(list.length, (from, to) => Buffer.from(list.slice(from, to), 'latin1')))
      ? known.spans
      : undefined;
  }

  /** A file was read, in parts that are in order and all of it. A few milliseconds at a time. */
  async read(path: string, list: Uint8Array, parts: Parameters<typeof joinTags>[0]): Promise<void> {
    const digest = await digestInTurns(list.length, (from, to) => list.subarray(from, to));
    this.#forget(path);
    const spans = joinTags(parts);
    this.#files.set(path, { list: digest, spans });
    this.#tags += spans.starts.length;
    for (const first of this.#files.keys()) {
      if (this.#tags <= maxTags) break;
      this.#forget(first);
    }
  }

  #forget(path: string): void {
    this.#tags -= this.#files.get(path)?.spans.starts.length ?? 0;
    this.#files.delete(path);
  }
}

async function digestInTurns(length: number, bytes: (from: number, to: number) => Uint8Array): Promise<Digest> {
  const turns = new Turns();
  const hash = createHash('sha256');
  for (let from = 0; from < length; from += hashBytes) {
    hash.update(bytes(from, Math.min(length, from + hashBytes)));
    if (turns.over) await turns.next();
  }
  return asDigest(hash.digest('binary'));
}
