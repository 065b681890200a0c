/** Fetches chunks of a snapshot from the object store that they were published to: see docs/decisions/0007. */
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import { type Digest, digestOf } from '../../protocol/chunk/digest.ts';
import type { CataloguedBlock, StoreOutcome } from '../../protocol/pull/replica/chunk-store.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { type CataloguedPack, decodeCatalogue, maxCatalogueBytes } from '../../protocol/via/catalogue.ts';
import { readObject, readPart } from '../../protocol/via/read-object.ts';
import { viaKey } from '../../protocol/via/via-keys.ts';
import { maxDamagedNamed } from '../../protocol/wire/pull.ts';
import { type BlockSpan, spansOf } from './block-spans.ts';

/** Requests at once. With `spanBytes` this bounds the memory that waits for the replica. */
export const viaFetchWidth = 8;

export interface StoredSnapshot {
  readonly prefix: string;
  readonly catalogue: Digest;
  /** First, count, …, ascending. */
  readonly ranges: readonly number[];
}

export type TakeBlock = (block: CataloguedBlock) => Promise<boolean>;

/** As `ChunkStore.fetch`. A pack that turns out damaged is left where it is; a store that fails ends the fetching, which is no error. */
export async function fetchStored(
  store: ObjectStore,
  snapshot: StoredSnapshot,
  take: TakeBlock,
  signal: AbortSignal,
): Promise<StoreOutcome> {
  const packs = await readCatalogue(store, snapshot, signal);
  if (!Array.isArray(packs)) return { bytes: 0, damaged: [], ...packs };
  const fetch = new StoredFetch(store, snapshot.prefix, take);
  await fetch.run(spansOf(packs, snapshot.ranges), signal);
  return fetch.outcome;
}

/** The packs, or why there are none. */
async function readCatalogue(
  store: ObjectStore,
  { prefix, catalogue }: StoredSnapshot,
  signal: AbortSignal,
): Promise<CataloguedPack[] | Pick<StoreOutcome, 'noCatalogue' | 'note'>> {
  try {
    const bytes = await readObject(store, viaKey(prefix, 'snapshots', catalogue), maxCatalogueBytes, signal);
    if (digestOf(bytes) !== catalogue)
      throw new TowError('object-corrupt', 'its catalogue has other bytes than were put there');
    return decodeCatalogue(bytes);
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof TowError)) throw error;
    return { noCatalogue: concernsObject.has(error.code), note: error.message };
  }
}

const concernsObject = new Set(['object-missing', 'object-changed', 'object-corrupt', 'bad-message', 'limit-exceeded']);

class StoredFetch {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #take: TakeBlock;
  readonly #damaged = new Set<Digest>();
  #bytes = 0;
  #note: string | undefined;

  constructor(store: ObjectStore, prefix: string, take: TakeBlock) {
    this.#store = store;
    this.#prefix = prefix;
    this.#take = take;
  }

  get outcome(): StoreOutcome {
    return {
      bytes: this.#bytes,
      damaged: [...this.#damaged].slice(0, maxDamagedNamed),
      noCatalogue: false,
      ...(this.#note === undefined ? {} : { note: this.#note }),
    };
  }

  async run(spans: Iterable<BlockSpan>, signal: AbortSignal): Promise<void> {
    const queue = spans[Symbol.iterator]();
    const group = new TaskGroup(signal);
    for (let worker = 0; worker < viaFetchWidth; worker += 1)
      group.run(async (inner) => {
        for (let next = queue.next(); next.done !== true; next = queue.next()) {
          throwIfAborted(inner);
          if (this.#note !== undefined) return;
          if (!this.#damaged.has(next.value.pack)) await this.#span(next.value, inner);
        }
      });
    await group.wait();
  }

  async #span(span: BlockSpan, signal: AbortSignal): Promise<void> {
    const bytes = await this.#read(span, signal);
    if (bytes === undefined) return;
    this.#bytes += bytes.length;
    for (const { offset, length, codec, rawLength, runs } of span.blocks) {
      const from = offset - span.offset;
      // Memory of its own, to be given away.
      const body = Uint8Array.from(bytes.subarray(from, from + length));
      if (!(await this.#take({ codec, rawLength, runs, body }))) this.#damaged.add(span.pack);
    }
  }

  async #read(span: BlockSpan, signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      const bytes = await readPart(this.#store, viaKey(this.#prefix, 'packs', span.pack), span, signal);
      if (bytes === undefined) this.#damaged.add(span.pack);
      return bytes;
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof TowError)) throw error;
      if (concernsObject.has(error.code)) this.#damaged.add(span.pack);
      else this.#note ??= error.message;
      return undefined;
    }
  }
}
