import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { commonRecords, RecordTable, sameRecord } from '../../../protocol/chunk/record-table.ts';

const length = 36;

/** Records that differ in their last byte only, or in their first ones: most share the slot they belong into. */
function records(names: readonly number[]): Buffer {
  return Buffer.concat(
    names.map((name) => {
      const record = Buffer.alloc(length, 7);
      record[name % 2 === 0 ? 0 : length - 1] = name;
      return record;
    }),
  );
}

const lists = fc.array(fc.nat(20), { maxLength: 60 });

it('finds the first of equal records, and none that is not there', () => {
  fc.assert(
    fc.property(lists, lists, (held, asked) => {
      const table = RecordTable.of(records(held), length);
      const questions = records(asked);
      const places = asked.map((_, at) => table.find(questions, at) ?? -1);
      expect(places).toEqual(asked.map((name) => held.indexOf(name)));
    }),
  );
});

it('counts what two lists have in common as one by one does', () => {
  const long = fc.array(fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 1, 2), { minLength: 500, maxLength: 1200 });
  fc.assert(
    fc.property(long, long, fc.nat(20), fc.nat(20), (a, b, from, to) => {
      const common = commonRecords(records(a), from, records(b), to, length);
      let count = 0;
      while (sameRecord(records(a), from + count, records(b), to + count, length) && to + count < b.length) count += 1;
      expect(common).toBe(count);
    }),
    { numRuns: 30 },
  );
});

it('a file of many holes, no two alike, takes no longer than one of as many chunks', () => {
  const holes = Buffer.alloc(100_000 * length);
  for (let at = 0; at < 100_000; at += 1) holes.writeUInt32LE(4096 * (at + 1), at * length + 32);
  // Each looks at all before it if they share a place: 5 thousand million looks.
  const table = RecordTable.of(holes, length);
  expect([table.find(holes, 0), table.find(holes, 99_999)]).toEqual([0, 99_999]);
}, 5000);
