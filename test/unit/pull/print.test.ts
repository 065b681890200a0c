import { lstatSync } from 'node:fs';
import { assert, integer, maxSafeInteger, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Print, printHasMtime, printOf, printSize } from '../../../protocol/pull/replica/print.ts';

const stats = lstatSync('/', { bigint: true });
const printAt = (mtimeNs: bigint): Print => printOf(Object.assign(Object.create(stats), { mtimeNs }));
const nsOf = (sec: number, nsec: number): bigint => BigInt(sec) * 1_000_000_000n + BigInt(nsec);

describe('the mtime in a print', () => {
  it('is the one that was set, and no other', () => {
    assert(
      property(integer({ min: -(2 ** 33), max: 2 ** 33 }), integer({ min: 0, max: 999_999_999 }), (sec, nsec) => {
        const print = printAt(nsOf(sec, nsec));
        expect(printHasMtime(print, sec, nsec)).toBe(true);
        expect(printHasMtime(print, sec + 3, nsec)).toBe(false);
        if (nsec % 100 !== 0) expect(printHasMtime(print, sec, nsec - 1)).toBe(false);
      }),
    );
  });

  it('may be off by what a file system does not keep', () => {
    expect(printHasMtime(printAt(nsOf(1_700_000_000, 0)), 1_700_000_001, 999_999_999)).toBe(true);
    expect(printHasMtime(printAt(nsOf(1_700_000_000, 123_456_000)), 1_700_000_000, 123_456_789)).toBe(true);
    expect(printHasMtime(printAt(nsOf(1_700_000_000, 123_456_000)), 1_700_000_000, 123_459_000)).toBe(false);
  });

  it('is the last there is for one that is later', () => {
    expect(printHasMtime(printAt(nsOf(2 ** 34, 5)), 2 ** 34, 5)).toBe(true);
    expect(printHasMtime(printAt(nsOf(-(2 ** 34), 5)), -(2 ** 34), 5)).toBe(true);
  });

  it('stands beside the size', () => {
    assert(
      property(maxSafeInteger(), (some) => {
        const size = Math.abs(some);
        expect(printSize(printOf(Object.assign(Object.create(stats), { size: BigInt(size) })))).toBe(size);
      }),
    );
  });
});
