/**
 * Removes what no snapshot of the last days needs. Runs beside publications: it removes an index first and looks for
 * snapshots then, as they put a catalogue of what they will use first and look for its indexes then (docs/decisions/0007).
 */
import { TowError } from '../../protocol/base/errors.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import { type Digest, digestOf } from '../../protocol/chunk/digest.ts';
import { listAll } from '../../protocol/store/list-all.ts';
import type { ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import { decodeCatalogue, maxCatalogueBytes } from '../../protocol/via/catalogue.ts';
import { readObject } from '../../protocol/via/read-object.ts';
import { type ViaKind, viaClockKey, viaFolder, viaName } from '../../protocol/via/via-keys.ts';

export interface Collected {
  readonly packs: number;
  readonly snapshots: number;
  /** Of the packs and snapshots that were removed; and of packs that stay. */
  readonly removedBytes: number;
  readonly keptBytes: number;
}

const dayMs = 24 * 3600 * 1000;
/** Packs younger than this may be part of a publication that has not got to its catalogue, or next lease. */
const graceMs = dayMs;
const readWidth = 8;
/** Times that catalogues are read anew because one went away meanwhile. */
const maxLooks = 20;

/** `days` is at least 1. Rejects as the store does; what was removed until then is removed, and nothing that is needed. */
export async function collect(
  store: ObjectStore,
  prefix: string,
  days: number,
  signal: AbortSignal,
): Promise<Collected> {
  const now = await storeTime(store, prefix, signal);
  const packs = await listKind(store, prefix, 'packs', signal);
  const indexes = await listKind(store, prefix, 'index', signal);
  const catalogues = new LiveCatalogues(store, prefix, now - days * dayMs);
  await catalogues.look(signal);
  const isOld = ({ modifiedMs }: ObjectStat): boolean => modifiedMs < now - graceMs;
  // An index whose pack is gone misleads publications: it goes by its own age.
  const doomed = [...indexes].filter(
    ([pack, index]) => !catalogues.needed.has(pack) && isOld(packs.get(pack) ?? index),
  );
  await remove(
    store,
    doomed.map(([, { key }]) => key),
    signal,
  );
  const expired = await catalogues.look(signal);
  const unneeded = [...packs].filter(([pack, stat]) => !catalogues.needed.has(pack) && isOld(stat));
  await remove(
    store,
    expired.map(({ key }) => key),
    signal,
  );
  await remove(
    store,
    unneeded.map(([, { key }]) => key),
    signal,
  );
  const sizeOf = (stats: Iterable<ObjectStat>): number => [...stats].reduce((sum, { size }) => sum + size, 0);
  const removed = sizeOf(unneeded.map(([, stat]) => stat));
  return {
    packs: unneeded.length,
    snapshots: expired.length,
    removedBytes: removed + sizeOf(expired),
    keptBytes: sizeOf(packs.values()) - removed,
  };
}

/** What the packs are that catalogues younger than `since` need. */
class LiveCatalogues {
  readonly needed = new Set<Digest>();
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #since: number;
  /** Catalogues never change. */
  readonly #read = new Set<Digest>();

  constructor(store: ObjectStore, prefix: string, since: number) {
    this.#store = store;
    this.#prefix = prefix;
    this.#since = since;
  }

  /** Reads those that are new since the last look. Returns the others: expired, or damaged and so of no use to anybody. */
  async look(signal: AbortSignal): Promise<ObjectStat[]> {
    for (let looks = 1; looks <= maxLooks; looks += 1) {
      const listed = await listKind(this.#store, this.#prefix, 'snapshots', signal);
      const live = [...listed].filter(([, { modifiedMs }]) => modifiedMs >= this.#since);
      const damaged: ObjectStat[] = [];
      const unread = live.filter(([name]) => !this.#read.has(name));
      // A lease goes when its publication has put its catalogue: which a new listing has.
      if (await this.#readAll(unread, damaged, signal))
        return [...damaged, ...[...listed.values()].filter(({ modifiedMs }) => modifiedMs < this.#since)];
    }
    throw new TowError('store-failed', `${viaFolder(this.#prefix, 'snapshots')} changed in each of ${maxLooks} looks`, {
      retryable: true,
    });
  }

  /** False when one went away. */
  async #readAll(
    catalogues: readonly (readonly [Digest, ObjectStat])[],
    damaged: ObjectStat[],
    signal: AbortSignal,
  ): Promise<boolean> {
    let complete = true;
    const queue = catalogues.values();
    const group = new TaskGroup(signal);
    for (let worker = 0; worker < Math.min(readWidth, catalogues.length); worker += 1)
      group.run(async (inner) => {
        for (const [name, stat] of queue) {
          try {
            const bytes = await readObject(this.#store, stat.key, maxCatalogueBytes, inner);
            if (digestOf(bytes) !== name)
              throw new TowError('object-corrupt', `${stat.key} has other bytes than its name says`);
            for (const { digest } of decodeCatalogue(bytes)) this.needed.add(digest);
            this.#read.add(name);
          } catch (error) {
            if (!(error instanceof TowError)) throw error;
            if (error.code === 'object-missing') complete = false;
            else if (isDamage.has(error.code)) damaged.push(stat);
            else throw error;
          }
        }
      });
    await group.wait();
    return complete;
  }
}

const isDamage = new Set(['object-corrupt', 'bad-message', 'limit-exceeded']);

/** What time it is where objects get their dates. */
async function storeTime(store: ObjectStore, prefix: string, signal: AbortSignal): Promise<number> {
  const key = viaClockKey(prefix);
  await store.put(key, Buffer.from('tow storage gc\n'), {}, signal);
  const head = await store.head(key, signal);
  if (head === undefined || head.modifiedMs === 0)
    throw new TowError('store-failed', `${key} was put and has no date: nothing is removed`);
  return head.modifiedMs;
}

async function listKind(
  store: ObjectStore,
  prefix: string,
  kind: ViaKind,
  signal: AbortSignal,
): Promise<Map<Digest, ObjectStat>> {
  const found = new Map<Digest, ObjectStat>();
  for await (const page of listAll(store, viaFolder(prefix, kind), signal)) {
    for (const stat of page) {
      const name = viaName(prefix, kind, stat.key);
      if (name !== undefined) found.set(name, stat);
    }
  }
  return found;
}

async function remove(store: ObjectStore, keys: readonly string[], signal: AbortSignal): Promise<void> {
  for (let at = 0; at < keys.length; at += 1000) {
    const [failed] = await store.deleteMany(keys.slice(at, at + 1000), signal);
    if (failed !== undefined) throw new TowError('store-failed', `${failed.key} cannot be removed: ${failed.message}`);
  }
}
