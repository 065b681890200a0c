import { randomBytes } from 'node:crypto';
import { type Digest, digestOf } from '../../chunk/digest.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import { joinTags, type SpanTags } from './span-tags.ts';

/** Tags of all files together, at most: some tens of megabytes, and large files of some hundred gigabytes. */
const maxTags = 1 << 20;

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

  /** Tags for what a file was, if it was that. */
  of(path: string, list: ChunkList): SpanTags | undefined {
    const known = this.#files.get(path);
    return known !== undefined && known.list === digestOf(list) ? known.spans : undefined;
  }

  /** A file was read, in parts that are in order and all of it. */
  read(path: string, list: Uint8Array, parts: Parameters<typeof joinTags>[0]): void {
    this.#forget(path);
    const spans = joinTags(parts);
    this.#files.set(path, { list: digestOf(list), spans });
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
