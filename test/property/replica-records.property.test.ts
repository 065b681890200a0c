/** What the replica keeps on disk comes back as it was; what is torn or damaged is told from what is whole. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteWriter } from '../../protocol/base/byte-writer.ts';
import { asDigest } from '../../protocol/chunk/digest.ts';
import type { Entry } from '../../protocol/chunk/entry.ts';
import { directoryDigest } from '../../protocol/chunk/manifest.ts';
import { frameRecord, unframeRecords } from '../../protocol/pull/replica/framed-record.ts';
import { readJournal, writeJournal } from '../../protocol/pull/replica/journal.ts';
import { decodeLedgerRecord, frameLedgerRecord, type LedgerRecord } from '../../protocol/pull/replica/ledger-codec.ts';
import type { Op } from '../../protocol/pull/replica/op.ts';

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString('latin1'));
const kind = fc.constantFrom('file', 'dir', 'symlink', 'hardlink', 'unknown');
const entry: fc.Arbitrary<Entry> = fc.record({
  kind,
  name: bytes,
  mode: fc.nat(0o7777),
  mtimeSec: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  mtimeNsec: fc.nat(999_999_999),
  size: fc.maxSafeNat(),
  content: bytes,
});
const record: fc.Arbitrary<LedgerRecord> = fc.record({
  source: fc.string({ unit: 'grapheme' }),
  digest: fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((array) => asDigest(Buffer.from(array).toString('latin1'))),
  root: entry,
  rootPrint: bytes,
  settledNs: fc.bigInt({ min: 0n, max: 2n ** 63n }),
  dropped: fc.array(bytes),
  replaced: fc.array(
    fc
      .tuple(bytes, fc.array(fc.tuple(entry, bytes)))
      .map(([path, items]) => ({ path, entries: items.map(([one]) => one), prints: items.map(([, print]) => print) })),
  ),
});
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.constant<Op>({ op: 'appear' }),
  fc.record({ op: fc.constantFrom('remove', 'mkdir'), path: bytes, expect: bytes }),
  fc.record({ op: fc.constant('rmdir'), path: bytes }),
  fc.record({ op: fc.constant('place'), path: bytes, staged: bytes, expect: bytes }),
  fc.record({
    op: fc.constant('meta'),
    path: bytes,
    kind,
    mode: fc.nat(0o7777),
    mtimeSec: fc.integer(),
    mtimeNsec: fc.nat(999_999_999),
  }),
);

test('a ledger record', () => {
  fc.assert(
    fc.property(record, (one) => {
      const { payloads } = unframeRecords(frameLedgerRecord(one));
      expect(payloads.map(decodeLedgerRecord)).toEqual([one]);
    }),
  );
});

test('a ledger record that nobody has looked into is written as it was read, and what is known of it is of its entries', () => {
  fc.assert(
    fc.property(record, (one) => {
      const framed = frameLedgerRecord(one);
      const [payload = Buffer.alloc(0)] = unframeRecords(framed).payloads;
      const read = decodeLedgerRecord(payload);
      expect(read.replaced.map(directoryDigest)).toEqual(one.replaced.map((each) => directoryDigest({ ...each })));
      expect(frameLedgerRecord(read).equals(framed)).toBe(true);
      expect(read).toEqual(one);
      expect(frameLedgerRecord(read).equals(framed)).toBe(true);
    }),
  );
});

test('a ledger record of the first layout', () => {
  fc.assert(
    fc.property(record, (one) => {
      const writer = new ByteWriter();
      const write = ({ kind: what, name, mode, mtimeSec, mtimeNsec, size, content }: Entry, print: string): void => {
        writer.u8(['file', 'dir', 'symlink', 'hardlink', 'unknown'].indexOf(what));
        writer.text(name);
        writer.u32(mode);
        writer.i64(mtimeSec);
        writer.u32(mtimeNsec);
        writer.i64(size);
        writer.text(content);
        writer.text(print);
      };
      for (const text of [Buffer.from(one.source).toString('latin1'), one.digest, String(one.settledNs)])
        writer.text(text);
      write(one.root, one.rootPrint);
      writer.u32(one.dropped.length);
      for (const path of one.dropped) writer.text(path);
      writer.u32(one.replaced.length);
      for (const { path, entries, prints } of one.replaced) {
        writer.text(path);
        writer.u32(entries.length);
        for (const [at, each] of entries.entries()) write(each, prints[at] ?? '');
      }
      expect(decodeLedgerRecord(writer.bytes())).toEqual(one);
    }),
  );
});

test('a journal, and one that was damaged anywhere', () => {
  const directory = mkdtempSync(join(tmpdir(), 'journal-'));
  try {
    fc.assert(
      fc.property(fc.array(op), record, bytes, (ops, one, path) => {
        const journal = { id: 'id', root: path, dest: '~/x', stage: path, ops, record: one };
        writeJournal(directory, journal);
        expect(readJournal(directory)).toEqual(journal);
      }),
      { numRuns: 50 },
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('records in a file, cut anywhere: whole ones come back, a torn one does not', () => {
  const payload = fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.array(payload, { minLength: 1, maxLength: 5 }), fc.nat(), (payloads, cut) => {
      const frames = payloads.map((one) => frameRecord(one));
      const whole = Buffer.concat(frames);
      const end = cut % (whole.length + 1);
      const { payloads: got, wholeBytes } = unframeRecords(whole.subarray(0, end));
      let bytesBefore = 0;
      const expected = payloads.filter((_, at) => {
        bytesBefore += frames[at]?.length ?? 0;
        return bytesBefore <= end;
      });
      expect(got).toEqual(expected);
      expect(wholeBytes).toBeLessThanOrEqual(end);
    }),
  );
});
