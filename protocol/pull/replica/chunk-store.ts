import type { Digest } from '../../chunk/digest.ts';
import type { StoredBlock } from '../../via/catalogue.ts';

/** A block that has come, with what the catalogue says of it. */
export interface CataloguedBlock extends Pick<StoredBlock, 'codec' | 'rawLength' | 'runs'> {
  /** As it was stored; alone in its memory. */
  readonly body: Uint8Array;
}

export interface StoreOutcome {
  /** Bytes that came. */
  readonly bytes: number;
  /** Packs that are not what the catalogue says; some of them. */
  readonly damaged: Digest[];
  readonly noCatalogue: boolean;
  /** Why not all was asked for, if so: for people. */
  readonly note?: string;
}

/** Where chunks may be had besides the source. */
export interface ChunkStore {
  /**
   * Fetches the chunks of `ranges` (first, count, …, ascending), a block at a time: some bytes of others come along. `take`
   * returns whether the block was what it should be; a few are taken at once. What the store lacks is no error. Rejects
   * with what `take` rejects with, and `cancelled`.
   */
  fetch(
    ranges: readonly number[],
    take: (block: CataloguedBlock) => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<StoreOutcome>;
}
