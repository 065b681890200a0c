/**
 * Where the records of one list are in another: lists of records of one length, whole words, each of which begins with a
 * digest. Most often the two go on alike for long; then a look at what comes next is all there is to do. Only for records
 * that are nowhere near a table is made, and of those alone: no string for any of them, and 16 bytes of memory.
 */

import type { Turns } from '../base/turns.ts';

/** Records between two yields. */
const turnRecords = 4096;
/** How many records around the expected place are looked at, on either side. */
const near = 4;

/**
 * For each record of `now` an index in `old` where it is: where a run of records goes on if it does, soon behind that, or the
 * first place of all; -1 where `old` does not have it. Yields from time to time, after a millisecond or so; drained at once
 * by who may block. Some 2 ms for 65,000 records with a hundred others among them.
 */
function* placesIn(old: Buffer, now: Buffer, length: number): Generator<undefined, Int32Array, void> {
  const places = new Int32Array(now.length / length).fill(-1);
  if (old.length === 0) return places;
  const missed: number[] = [];
  /** What comes next if the two go on alike, and how many in a row did not. */
  let expected = 0;
  let others = 0;
  for (let at = 0; at < places.length; ) {
    let common = commonRecords(old, expected, now, at, length);
    if (common === 0) {
      const found = nearby(old, expected, others, now, at, length);
      if (found === undefined) {
        missed.push(at);
        others += 1;
        at += 1;
        if (at % turnRecords === 0) yield;
        continue;
      }
      expected = found;
      common = commonRecords(old, expected, now, at, length);
    }
    for (let left = common; left > 0; left -= 1) places[at++] = expected++;
    others = 0;
    yield;
  }
  if (missed.length > 0) yield* search(old, now, missed, length, places);
  return places;
}

/** Where some were added or taken out, what follows is around the expected place; where some were overwritten, about as many came. */
function nearby(
  old: Buffer,
  expected: number,
  others: number,
  now: Buffer,
  at: number,
  length: number,
): number | undefined {
  for (let place = expected + 1; place <= expected + near; place += 1)
    if (sameRecord(old, place, now, at, length)) return place;
  for (
    let place = Math.max(expected + near + 1, expected + others - near);
    place <= expected + others + near;
    place += 1
  )
    if (sameRecord(old, place, now, at, length)) return place;
  return undefined;
}

/**
 * Finds the first places of the records `missed` of `now`. Open addressing with linear probing; the hash is of a record's first and
 * last four bytes, for holes have all the same digest and other lengths.
 */
function* search(
  old: Buffer,
  now: Buffer,
  missed: readonly number[],
  length: number,
  places: Int32Array,
): Generator<undefined, void, void> {
  /** Index in `now` + 1 of the first of equal ones; 0 is empty. At most half of it is full. */
  const slots = new Int32Array(1 << Math.ceil(Math.log2(2 * missed.length)));
  const mask = slots.length - 1;
  /** The slot that holds a record equal to this one, or the empty one where it belongs. */
  const slotOf = (records: Buffer, index: number): number => {
    const from = index * length;
    const hash = records.readInt32LE(from) ^ Math.imul(records.readInt32LE(from + length - 4), 0x9e3779b1);
    for (let slot = hash ^ (hash >>> 15); ; slot += 1) {
      slot &= mask;
      const held = slots[slot] ?? 0;
      if (held === 0 || sameRecord(now, held - 1, records, index, length)) return slot;
    }
  };
  for (const [turn, at] of missed.entries()) {
    const slot = slotOf(now, at);
    if (slots[slot] === 0) slots[slot] = at + 1;
    if (turn % turnRecords === 0) yield;
  }
  for (let place = 0; place < old.length / length; place += 1) {
    const first = (slots[slotOf(old, place)] ?? 0) - 1;
    if (first >= 0 && (places[first] ?? 0) < 0) places[first] = place;
    if (place % turnRecords === 0) yield;
  }
  for (const [turn, at] of missed.entries()) {
    places[at] = places[(slots[slotOf(now, at)] ?? 0) - 1] ?? -1;
    if (turn % turnRecords === 0) yield;
  }
}

/** What `placesIn` returns, a few milliseconds at a time. */
export async function placesInTurns(old: Buffer, now: Buffer, length: number, turns: Turns): Promise<Int32Array> {
  const steps = placesIn(old, now, length);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (turns.over) await turns.next();
  }
}

/** What `placesIn` returns, all at once. Blocking: 20 ms for 65,000 records that are all others. */
export function allPlacesIn(old: Buffer, now: Buffer, length: number): Int32Array {
  const steps = placesIn(old, now, length);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Whether two lists have the same record at these indexes; false beyond the end of `a`. */
function sameRecord(a: Buffer, aIndex: number, b: Buffer, bIndex: number, length: number): boolean {
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
  if (most <= 0 || !sameRecord(a, aIndex, b, bIndex, length)) return 0;
  let common = 1;
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
