/** Records of a bucket's index come back as they went; bytes that are none are refused. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeRecords,
  encodeRecord,
  type IndexEntry,
  type IndexRecord,
  packEntry,
  packedPlace,
  unpackEntry,
} from '../../../controller/buckets/local/index-record.ts';
import { TowError } from '../../../protocol/base/errors.ts';

const bytes = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const text = fc.string({ unit: 'grapheme' });
const entry: fc.Arbitrary<IndexEntry> = fc.record({
  key: bytes,
  place: fc.constantFrom('files', 'odd'),
  version: bytes,
  size: fc.maxSafeNat(),
  modifiedMs: fc.maxSafeNat(),
  contentType: fc.option(text, { nil: undefined }),
  metadata: fc
    .array(fc.tuple(fc.oneof(text, fc.constant('__proto__')), text))
    .map((pairs) => Object.fromEntries(pairs)),
  md5: fc.option(fc.constant('d41d8cd98f00b204e9800998ecf8427e'), { nil: undefined }),
  temp: bytes,
  print: bytes,
});
const record: fc.Arbitrary<IndexRecord> = fc.oneof(
  entry.map((one) => ({ type: 'entry' as const, key: one.key, packed: packEntry(one) })),
  fc.record({ type: fc.constant('write' as const), entry, before: bytes }),
  fc.record({ type: fc.constant('remove' as const), key: bytes, before: bytes }),
  fc.record({ type: fc.constant('settled' as const), key: bytes, version: bytes, print: bytes }),
  fc.record({ type: fc.constant('forget' as const), key: bytes }),
);

const refused = expect.objectContaining({ constructor: TowError, code: 'bad-message' });

test('an entry that is packed', () => {
  fc.assert(
    fc.property(entry, (one) => {
      const packed = packEntry(one);
      const unpacked = unpackEntry(one.key, packed);
      expect(unpacked).toEqual(one);
      expect(Object.entries(unpacked.metadata)).toEqual(Object.entries(one.metadata));
      expect(packedPlace(packed)).toBe(one.place);
    }),
  );
});

test('records one after the other', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), (records) => {
      expect([...decodeRecords(Buffer.concat(records.map(encodeRecord)))]).toEqual(records);
    }),
  );
});

test('a record that is cut off, or begins with another number', () => {
  fc.assert(
    fc.property(record, fc.nat(), (one, at) => {
      const whole = encodeRecord(one);
      const torn = whole.subarray(0, 1 + (at % (whole.length - 1)));
      expect(() => [...decodeRecords(torn)]).toThrow(refused);
      expect(() => [...decodeRecords(Buffer.concat([Buffer.of(5), whole]))]).toThrow(refused);
    }),
  );
  const misplaced = encodeRecord({ type: 'entry', key: 'k', packed: '\x02' });
  expect(() => [...decodeRecords(misplaced)]).toThrow(refused);
});
