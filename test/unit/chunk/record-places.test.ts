import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { allPlacesIn, commonRecords } from '../../../protocol/chunk/record-places.ts';

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

it('finds each record where it is, first or where a run goes on, and none that is not there', () => {
  fc.assert(
    fc.property(lists, lists, (held, asked) => {
      const places = [...allPlacesIn(records(held), records(asked), length)];
      expect(places.map((place) => held[place])).toEqual(asked.map((name) => (held.includes(name) ? name : undefined)));
      for (const [at, place] of places.entries()) {
        const before = places[at - 1] ?? -1;
        if (before >= 0 && held[before + 1] === asked[at]) expect(place).toBe(before + 1);
      }
    }),
  );
});

it('what was inserted, taken out, moved or overwritten leaves the rest where it is', () => {
  const long = Array.from({ length: 2000 }, (_, at) => at);
  const numbered = (names: readonly number[]): Buffer => {
    const all = Buffer.alloc(names.length * length, 1);
    for (const [at, name] of names.entries()) all.writeUInt32LE(name, at * length);
    return all;
  };
  const change = fc.record({
    at: fc.nat(2000),
    out: fc.nat(100),
    into: fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 100 }),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 5 }), (changes) => {
      const now = [...long];
      for (const { at, out, into } of changes) now.splice(at, out, ...into);
      const places = [...allPlacesIn(numbered(long), numbered(now), length)];
      expect(places).toEqual(now.map((name) => (name < 2000 ? name : -1)));
    }),
  );
});

it('counts what two lists have in common as one by one does', () => {
  const long = fc.array(fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 1, 2), { minLength: 500, maxLength: 1200 });
  fc.assert(
    fc.property(long, long, fc.nat(20), fc.nat(20), (a, b, from, to) => {
      const common = commonRecords(records(a), from, records(b), to, length);
      let count = 0;
      while (from + count < a.length && to + count < b.length && a[from + count] === b[to + count]) count += 1;
      expect(common).toBe(count);
    }),
    { numRuns: 30 },
  );
});

it('a file of many holes, no two alike, takes no longer than one of as many chunks', () => {
  const holes = (from: number): Buffer => {
    const all = Buffer.alloc(100_000 * length);
    for (let at = 0; at < 100_000; at += 1) all.writeUInt32LE(4096 * (at + from), at * length + 32);
    return all;
  };
  // Each looks at all before it if they share a place: 5 thousand million looks.
  const places = allPlacesIn(holes(1), holes(50_001), length);
  expect([places[0], places[49_999], places[50_000]]).toEqual([50_000, 99_999, -1]);
}, 5000);
