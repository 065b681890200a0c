import { TowError } from '../../base/errors.ts';
import { chunkLists } from '../../chunk/chunk-lists.ts';
import { type Digest, digestOf } from '../../chunk/digest.ts';
import { chunkCount, chunkDigest, chunkLength, isHole } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { addOrdinal } from '../../chunk/new-chunks.ts';
import { unpackBody } from '../../chunk/pack.ts';
import type { CataloguedBlock } from './chunk-store.ts';
import type { Wants } from './wants.ts';
import type { FileStep } from './worker.ts';

export interface StoredStep extends FileStep {
  /** Whether any of its chunks is not what the catalogue says. */
  readonly damaged: boolean;
}

/**
 * What is wanted, as a catalogue numbers it: a chunk that is in a snapshot many times is there once, by the first of its
 * ordinals. Unlike a source, an object store may be wrong without anything being amiss: what is not as it should be stays wanted.
 */
export class StoredChunks {
  readonly #wants: Wants;
  /** Of every ordinal. */
  readonly #lengths: Uint32Array;
  readonly #wanted = new Map<number, Digest>();

  /** Blocking: some ms a million chunks, and for those that are wanted some hundred more. */
  constructor(manifest: Manifest, wants: Wants) {
    this.#wants = wants;
    const lengths: number[] = [];
    const seen = new Set<Digest>();
    for (const list of chunkLists(manifest)) {
      for (let at = 0; at < chunkCount(list); at += 1) {
        if (isHole(list, at)) continue;
        if (wants.mayHave(list, at)) {
          const digest = chunkDigest(list, at);
          if (wants.has(digest) && !seen.has(digest)) {
            seen.add(digest);
            this.#wanted.set(lengths.length, digest);
          }
        }
        lengths.push(chunkLength(list, at));
      }
    }
    this.#lengths = Uint32Array.from(lengths);
  }

  /** First, count, …, ascending. */
  ranges(): number[] {
    const ranges: number[] = [];
    for (const ordinal of this.#wanted.keys()) addOrdinal(ranges, ordinal);
    return ranges;
  }

  /** Writes what of a block is wanted and has its digest. Blocking. */
  take({ codec, rawLength, runs, body }: CataloguedBlock): StoredStep {
    const raw = this.#unpacked({
      codec,
      rawLength,
      body: Buffer.from(body.buffer, body.byteOffset, body.length),
    });
    if (raw === undefined) return { bytes: 0, finishedFiles: 0, damaged: true };
    let offset = 0;
    let bytes = 0;
    let finishedFiles = 0;
    let damaged = false;
    for (const { skip, first, count } of runs) {
      offset += skip;
      for (let ordinal = first; ordinal < first + count; ordinal += 1) {
        const length = this.#lengths[ordinal] ?? raw.length;
        const chunk = raw.subarray(offset, offset + length);
        offset += length;
        const digest = this.#wanted.get(ordinal);
        if (digest === undefined || !this.#wants.has(digest)) continue;
        if (digestOf(chunk) !== digest) {
          damaged = true;
          continue;
        }
        bytes += length;
        finishedFiles += this.#wants.satisfy(digest, chunk);
      }
    }
    return { bytes, finishedFiles, damaged };
  }

  /** Undefined when it does not unpack to what it should. */
  #unpacked(pack: Parameters<typeof unpackBody>[0]): Buffer | undefined {
    try {
      return unpackBody(pack);
    } catch (error) {
      if (error instanceof TowError && error.code === 'bad-message') return undefined;
      throw error;
    }
  }
}
