import type { Turns } from '../base/turns.ts';

/** Records between two looks at the clock. */
const turnRecords = 4096;

/**
 * Where a record occurs first in a list of records of one length, whole words, each of which begins with a digest: 8 to 16 bytes of
 * memory a record, and no string for any of them. Open addressing with linear probing; the hash is of a record's first and last
 * four bytes, for holes have all the same digest and other lengths.
 */
export class RecordTable {
  readonly #records: Buffer;
  readonly #length: number;
  /** Index + 1; 0 is empty. At most half of it is full. */
  readonly #slots: Int32Array;

  private constructor(records: Buffer, length: number) {
    this.#records = records;
    this.#length = length;
    this.#slots = new Int32Array(1 << Math.max(1, Math.ceil(Math.log2(2 * (records.length / length) + 1))));
  }

  /** `records` holds whole records of `length` bytes and must not change. Some 15 ms for 65,000. */
  static of(records: Buffer, length: number): RecordTable {
    const table = new RecordTable(records, length);
    for (let index = 0; index < records.length / length; index += 1) table.#add(index);
    return table;
  }

  /** The same, in turns. */
  static async inTurns(records: Buffer, length: number, turns: Turns): Promise<RecordTable> {
    const table = new RecordTable(records, length);
    for (let index = 0; index < records.length / length; index += 1) {
      table.#add(index);
      if (index % turnRecords === 0 && turns.over) await turns.next();
    }
    return table;
  }

  #add(index: number): void {
    const slot = this.#slotOf(this.#records, index);
    if (this.#slots[slot] === 0) this.#slots[slot] = index + 1;
  }

  /** Index of the first record that equals the one at `index` of `records`. */
  find(records: Buffer, index: number): number | undefined {
    const found = this.#slots[this.#slotOf(records, index)] ?? 0;
    return found === 0 ? undefined : found - 1;
  }

  /** The slot that holds a record equal to this one, or the empty one where it belongs. */
  #slotOf(records: Buffer, index: number): number {
    const mask = this.#slots.length - 1;
    const from = index * this.#length;
    const hash = records.readInt32LE(from) ^ Math.imul(records.readInt32LE(from + this.#length - 4), 0x9e3779b1);
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (;;) {
      const held = this.#slots[slot] ?? 0;
      if (held === 0 || sameRecord(this.#records, held - 1, records, index, this.#length)) return slot;
      slot = (slot + 1) & mask;
    }
  }
}

/** Whether two lists have the same record, of whole words, at these indexes; false beyond the end of `a`. */
export function sameRecord(a: Buffer, aIndex: number, b: Buffer, bIndex: number, length: number): boolean {
  const from = aIndex * length;
  const to = bIndex * length;
  if (from + length > a.length) return false;
  // Word by word: a call of `compare` takes longer.
  for (let at = 0; at < length; at += 4) if (a.readInt32LE(from + at) !== b.readInt32LE(to + at)) return false;
  return true;
}

/** Compared at once as long as two lists go on alike. */
const stretch = 512;

/** How many records two lists have in common from these indexes on. */
export function commonRecords(a: Buffer, aIndex: number, b: Buffer, bIndex: number, length: number): number {
  const most = Math.min(a.length / length - aIndex, b.length / length - bIndex);
  let common = 0;
  while (common < most) {
    const bytes = Math.min(stretch, most - common) * length;
    const from = (aIndex + common) * length;
    const to = (bIndex + common) * length;
    if (a.compare(b, to, to + bytes, from, from + bytes) !== 0) break;
    common += bytes / length;
  }
  while (common < most && sameRecord(a, aIndex + common, b, bIndex + common, length)) common += 1;
  return common;
}
