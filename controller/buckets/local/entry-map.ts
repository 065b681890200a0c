import type { ByteKey } from './bucket-key.ts';
import { type IndexEntry, type PackedEntry, packEntry, unpackEntry } from './index-record.ts';
import { SpreadMap } from './spread-map.ts';

/**
 * Entries by key, each as one text: with an object of ten texts each they took twice the memory, and the garbage collector
 * had all of them to copy (docs/decisions/0006). Its order means nothing.
 */
export class EntryMap {
  readonly #packed = new SpreadMap<PackedEntry>();

  get size(): number {
    return this.#packed.size;
  }

  /** Made anew each time: two of the same key are equal, not identical. */
  get(key: ByteKey): IndexEntry | undefined {
    const packed = this.#packed.get(key);
    return packed === undefined ? undefined : unpackEntry(key, packed);
  }

  set(entry: IndexEntry): void {
    this.#packed.set(entry.key, packEntry(entry));
  }

  setPacked(key: ByteKey, packed: PackedEntry): void {
    this.#packed.set(key, packed);
  }

  delete(key: ByteKey): void {
    this.#packed.delete(key);
  }

  /** May be left and gone on with while entries change: those that are there all the time come, others may. */
  packed(): IterableIterator<readonly [ByteKey, PackedEntry]> {
    return this.#packed.entries();
  }
}
