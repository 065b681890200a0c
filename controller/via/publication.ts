/** Publishes one snapshot's chunks. docs/decisions/0007 has the layout, and why no order of events loses anything. */
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import { type Digest, digestOf } from '../../protocol/chunk/digest.ts';
import { decodePackHeader } from '../../protocol/chunk/pack.ts';
import { listAll } from '../../protocol/store/list-all.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { type CataloguedPack, encodeCatalogue } from '../../protocol/via/catalogue.ts';
import {
  decodePackIndex,
  maxBlockBytes,
  maxPackIndexBytes,
  type PackedBlock,
  type PackedChunk,
} from '../../protocol/via/pack-index.ts';
import { readObject } from '../../protocol/via/read-object.ts';
import { viaFolder, viaKey, viaName } from '../../protocol/via/via-keys.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { RecordedChunks } from './chunk-records.ts';
import type { IndexCache } from './index-cache.ts';
import { PackWriter, putWidth } from './pack-writer.ts';
import { Placement } from './placement.ts';

export interface PublicationOptions {
  readonly store: ObjectStore;
  readonly prefix: string;
  readonly cache: IndexCache;
  /** Of `saltBytes`, of this publication alone. */
  readonly salt: Buffer;
  /** Milliseconds. */
  now(): number;
}

export interface PublishPlan {
  /** Chunks that the store lacks: first, count, …, ascending. */
  readonly ranges: readonly number[];
  readonly bytes: number;
}

export interface PublishResult {
  readonly catalogue: Digest;
  /** Of all objects that were put. */
  readonly putBytes: number;
}

/** A lease older than this is renewed with what has been put since: gc spares packs without one for a day. */
const leaseMs = 3600 * 1000;
/** Looks at what there is before one goes on with nothing of it. */
const maxLooks = 5;
const indexWidth = 16;

/** `plan`, then `add` what it asks for, then `finish`. For a thread: parts of it block. */
export class Publication {
  readonly #options: PublicationOptions;
  readonly #chunks: RecordedChunks;
  readonly #writer: PackWriter;
  readonly #signal: AbortSignal;
  /** What the catalogue will say. */
  #placement: Placement;
  /** Catalogues of what is used so far, and the packs of the last. */
  readonly #leases: Digest[] = [];
  #leased: ReadonlySet<Digest> = new Set();
  #leasedAt = 0;
  #complete: Digest | undefined;
  #putBytes = 0;

  constructor(records: Uint8Array, options: PublicationOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#chunks = new RecordedChunks(records);
    this.#placement = new Placement(this.#chunks);
    const { store, prefix, cache, salt } = options;
    this.#leasedAt = options.now();
    const sealed = async (pack: Digest, blocks: readonly PackedBlock[]): Promise<void> => {
      this.#placement.add(pack, blocks);
      if (options.now() - this.#leasedAt >= leaseMs) await this.#lease();
    };
    this.#writer = new PackWriter({ store, prefix, cache, salt, sealed }, signal);
  }

  /**
   * Finds what is there already, and secures it: packs are leased first and looked for then, as gc removes the index first
   * and looks for leases then.
   */
  async plan(): Promise<PublishPlan> {
    const { cache } = this.#options;
    let known = new Set(await cache.packs());
    for (let looks = 1; ; looks += 1) {
      await this.#place(looks > maxLooks ? [] : known);
      const used = this.#placement.packs.map(({ digest }) => digest);
      if (!used.every((pack) => this.#leased.has(pack))) await this.#lease();
      if (looks > maxLooks) break;
      const listed = await this.#listed();
      for (const pack of known) if (!listed.has(pack)) await cache.drop(pack);
      const unknown = [...listed].filter((pack) => !known.has(pack));
      const gone = used.some((pack) => !listed.has(pack));
      if (!gone && (this.#placement.complete || unknown.length === 0)) break;
      const learnt = this.#placement.complete ? [] : await this.#learn(unknown);
      const before = known;
      known = new Set([...[...known].filter((pack) => listed.has(pack)), ...learnt]);
      if (!gone && learnt.every((pack) => before.has(pack))) break;
    }
    return { ranges: this.#placement.missing, bytes: this.#placement.missingBytes };
  }

  /**
   * Takes a pack of the source (chunk/pack.ts): its header, and its body for its own. Waits for the uplink. Returns how many
   * bytes its chunks have.
   */
  async add(header: Uint8Array, body: Uint8Array): Promise<number> {
    if (body.length > maxBlockBytes) throw new TowError('internal', `a block of ${body.length} bytes is published`);
    const frame = Buffer.concat([header, body]);
    const { codec, rawLength, runs } = decodePackHeader(frame, limits.packBytes);
    const chunks: PackedChunk[] = [];
    for (const { first, count } of runs) {
      for (let ordinal = first; ordinal < first + count; ordinal += 1) {
        const chunk = this.#chunks.at(ordinal);
        if (chunk === undefined) throw new TowError('internal', `chunk ${ordinal} of ${this.#chunks.count} was sent`);
        chunks.push({ digest: chunk.digest, length: chunk.length });
      }
    }
    await this.#writer.add({ length: body.length, codec, rawLength, chunks }, body);
    return rawLength;
  }

  /** Puts the catalogue, and lets go of the leases. */
  async finish(): Promise<PublishResult> {
    const { store, prefix } = this.#options;
    await this.#writer.finish();
    if (!this.#placement.complete)
      throw new TowError('internal', `${this.#placement.missingBytes} bytes were not sent to be published`);
    const catalogue = this.#complete ?? (await this.#put());
    const leases = this.#leases.filter((lease) => lease !== catalogue);
    try {
      for (const lease of leases) await store.delete(viaKey(prefix, 'snapshots', lease), this.#signal);
    } catch (error) {
      throwIfAborted(this.#signal);
      // Who may put may not be one who may delete; gc takes them in time.
      if (!(error instanceof TowError)) throw error;
    }
    return { catalogue, putBytes: this.#putBytes + this.#writer.putBytes };
  }

  /** Places what the packs of the cache have. */
  async #place(packs: Iterable<Digest>): Promise<void> {
    this.#placement = new Placement(this.#chunks);
    this.#complete = undefined;
    for (const pack of [...packs].sort()) {
      if (this.#placement.complete) return;
      const blocks = await this.#options.cache.blocks(pack);
      if (blocks !== undefined) this.#placement.add(pack, blocks);
    }
  }

  async #lease(): Promise<void> {
    const { packs } = this.#placement;
    const catalogue = await this.#put();
    this.#leases.push(catalogue);
    this.#leased = new Set(packs.map(({ digest }) => digest));
    this.#leasedAt = this.#options.now();
    // One that has all there is is no mere lease.
    this.#complete = this.#placement.complete ? catalogue : undefined;
  }

  async #put(): Promise<Digest> {
    const { store, prefix, salt } = this.#options;
    const packs: CataloguedPack[] = this.#placement.packs;
    const bytes = encodeCatalogue(packs, salt);
    const name = digestOf(bytes);
    await store.put(viaKey(prefix, 'snapshots', name), bytes, {}, this.#signal);
    this.#putBytes += bytes.length;
    return name;
  }

  async #listed(): Promise<ReadonlySet<Digest>> {
    const { store, prefix } = this.#options;
    const packs = new Set<Digest>();
    for await (const page of listAll(store, viaFolder(prefix, 'index'), this.#signal)) {
      for (const { key } of page) {
        const pack = viaName(prefix, 'index', key);
        if (pack !== undefined) packs.add(pack);
      }
    }
    return packs;
  }

  /** Fetches indexes into the cache. Returns those that could be read: what is none is as good as not there. */
  async #learn(packs: readonly Digest[]): Promise<Digest[]> {
    const { store, prefix, cache } = this.#options;
    const learnt: Digest[] = [];
    const queue = packs.values();
    const group = new TaskGroup(this.#signal);
    for (let worker = 0; worker < Math.min(indexWidth, packs.length); worker += 1)
      group.run(async (signal) => {
        for (const pack of queue) {
          try {
            const bytes = await readObject(store, viaKey(prefix, 'index', pack), maxPackIndexBytes, signal);
            decodePackIndex(bytes);
            await cache.keep(pack, bytes);
            learnt.push(pack);
          } catch (error) {
            if (!(error instanceof TowError) || !isUseless.has(error.code)) throw error;
          }
        }
      });
    await group.wait();
    return learnt;
  }
}

const isUseless = new Set(['object-missing', 'object-changed', 'object-corrupt', 'bad-message', 'limit-exceeded']);

/** Puts under way and reads of indexes. */
export const publishConnections = Math.max(putWidth, indexWidth);
