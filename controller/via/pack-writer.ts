/** Fills packs with blocks and puts them, a few at a time: first the pack, then its index, so that an index names nothing that is not there. */
import { createHash, type Hash } from 'node:crypto';
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { Slots } from '../../protocol/base/slots.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import { asDigest, type Digest } from '../../protocol/chunk/digest.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { encodePackIndex, type PackedBlock } from '../../protocol/via/pack-index.ts';
import { viaKey } from '../../protocol/via/via-keys.ts';
import type { IndexCache } from './index-cache.ts';

/** Bytes, or chunks, that a pack is filled to. */
const packBytes = 8 << 20;
const packChunks = 1 << 16;
/** Packs that are being put. */
export const putWidth = 4;

export interface PackWriterOptions {
  readonly store: ObjectStore;
  readonly prefix: string;
  readonly cache: IndexCache;
  /** Behind each pack, so that no two runs ever put one under the same name. */
  readonly salt: Buffer;
  /** The pack is in the store, and its index. */
  sealed(pack: Digest, blocks: readonly PackedBlock[]): Promise<void>;
}

interface Filling {
  readonly hash: Hash;
  readonly bodies: Uint8Array[];
  readonly blocks: PackedBlock[];
  bytes: number;
  chunks: number;
}

export class PackWriter {
  readonly #options: PackWriterOptions;
  readonly #group: TaskGroup;
  readonly #slots = new Slots(putWidth);
  #filling = empty();
  #putBytes = 0;

  constructor(options: PackWriterOptions, signal: AbortSignal) {
    this.#options = options;
    this.#group = new TaskGroup(signal);
  }

  /** Bytes of what was put. */
  get putBytes(): number {
    return this.#putBytes;
  }

  /** Takes the body for its own. Waits while enough packs are being put. */
  async add(block: PackedBlock, body: Uint8Array): Promise<void> {
    throwIfAborted(this.#group.signal);
    const { hash, bodies, blocks } = this.#filling;
    hash.update(body);
    bodies.push(body);
    blocks.push(block);
    this.#filling.bytes += body.length;
    this.#filling.chunks += block.chunks.length;
    if (this.#filling.bytes >= packBytes || this.#filling.chunks >= packChunks) await this.#seal();
  }

  /** Waits until all is in the store. Rejects with the first failure, of `add` too. */
  async finish(): Promise<void> {
    if (this.#filling.blocks.length > 0) await this.#seal();
    await this.#group.wait();
  }

  /** Resolves when one of the places for packs that are being put is taken by this one. */
  async #seal(): Promise<void> {
    const { hash, bodies, blocks } = this.#filling;
    const { salt } = this.#options;
    this.#filling = empty();
    hash.update(salt);
    const pack = asDigest(hash.digest('binary'));
    const bytes = Buffer.concat([...bodies, salt]);
    await new Promise<void>((begun) => {
      this.#group.run(async (signal) => {
        try {
          await this.#slots.run(async () => {
            begun();
            await this.#put(pack, bytes, blocks, signal);
          }, signal);
        } finally {
          begun();
        }
      });
    });
  }

  async #put(pack: Digest, bytes: Buffer, blocks: readonly PackedBlock[], signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const { store, prefix, cache } = this.#options;
    await store.put(viaKey(prefix, 'packs', pack), bytes, {}, signal);
    const index = encodePackIndex(blocks);
    await store.put(viaKey(prefix, 'index', pack), index, {}, signal);
    this.#putBytes += bytes.length + index.length;
    await cache.keep(pack, index);
    await this.#options.sealed(pack, blocks);
  }
}

function empty(): Filling {
  return { hash: createHash('sha256'), bodies: [], blocks: [], bytes: 0, chunks: 0 };
}
