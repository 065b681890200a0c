/** Which of a snapshot's chunks lie where in packs that are there already. */
import type { Digest } from '../../protocol/chunk/digest.ts';
import { addOrdinal } from '../../protocol/chunk/new-chunks.ts';
import type { BlockRun, CataloguedPack, StoredBlock } from '../../protocol/via/catalogue.ts';
import type { PackedBlock } from '../../protocol/via/pack-index.ts';
import type { RecordedChunks } from './chunk-records.ts';

export class Placement {
  /** Chunks without a place, each by the first of its ordinals, ascending. */
  readonly #missing = new Map<Digest, { readonly ordinal: number; readonly length: number }>();
  readonly #packs = new Map<Digest, StoredBlock[]>();

  /** Blocking: some hundred ms a million chunks. */
  constructor(chunks: RecordedChunks) {
    for (let at = 0; at < chunks.count; at += 1) {
      const chunk = chunks.at(at);
      if (chunk !== undefined && !this.#missing.has(chunk.digest)) this.#missing.set(chunk.digest, chunk);
    }
  }

  /** Packs in use, with the blocks of them. */
  get packs(): CataloguedPack[] {
    return [...this.#packs].map(([digest, blocks]) => ({ digest, blocks }));
  }

  get complete(): boolean {
    return this.#missing.size === 0;
  }

  /** Ordinals of the chunks without a place: first, count, …. */
  get missing(): number[] {
    const ranges: number[] = [];
    for (const { ordinal } of this.#missing.values()) addOrdinal(ranges, ordinal);
    return ranges;
  }

  get missingBytes(): number {
    let bytes = 0;
    for (const { length } of this.#missing.values()) bytes += length;
    return bytes;
  }

  /** Uses what a pack has of what is missing. */
  add(pack: Digest, blocks: readonly PackedBlock[]): void {
    const used: StoredBlock[] = [];
    let offset = 0;
    for (const { length, codec, rawLength, chunks } of blocks) {
      const runs = this.#runsOf(chunks);
      if (runs.length > 0) used.push({ offset, length, codec, rawLength, runs });
      offset += length;
    }
    if (used.length > 0) this.#packs.set(pack, used);
  }

  #runsOf(chunks: PackedBlock['chunks']): BlockRun[] {
    const runs: { skip: number; first: number; count: number }[] = [];
    let skip = 0;
    for (const { digest, length } of chunks) {
      const missing = this.#missing.get(digest);
      if (missing === undefined || missing.length !== length) {
        skip += length;
        continue;
      }
      this.#missing.delete(digest);
      const run = runs.at(-1);
      if (run !== undefined && skip === 0 && run.first + run.count === missing.ordinal) run.count += 1;
      else runs.push({ skip, first: missing.ordinal, count: 1 });
      skip = 0;
    }
    return runs;
  }
}
