import { describe, expect, it } from 'vitest';
import {
  encodeListing,
  frameListing,
  Listing,
  sortListed,
  unframeListings,
} from '../../../../protocol/pull/source/listing.ts';
import { type Listed, listingOf, stampOf } from '../../../helpers/listing-of.ts';

const file: Listed = {
  name: 'b\xff',
  kind: 'file',
  mode: 0o4755,
  mtimeNs: -5n,
  ctimeNs: 2n ** 62n,
  ino: 2n ** 64n - 1n,
  size: 2n ** 40n,
  dev: 0n,
  text: '',
};
const link: Listed = { ...file, name: 'c', kind: 'symlink', text: 'to\n' };
const twin: Listed = { ...file, name: 'd', dev: 7n };

describe('a listing', () => {
  it('says what was put in', () => {
    const listing = new Listing(listingOf([file, link, twin]));
    listing.check();
    expect([...listing.texts()]).toEqual([
      { name: 'b\xff', text: '' },
      { name: 'c', text: 'to\n' },
      { name: 'd', text: '' },
    ]);
    expect([listing.kind(1), listing.mode(0), listing.mtimeNs(0), listing.ino(0), listing.size(0)]).toEqual([
      'symlink',
      0o4755,
      -5n,
      2n ** 64n - 1n,
      2 ** 40,
    ]);
    expect(listing.mtime(0)).toEqual({ sec: -1, nsec: 999_999_995 });
    expect([listing.linkKey(0), listing.hasLinks()]).toEqual([undefined, true]);
    expect(listing.linkKey(2)).toBeDefined();
  });

  it('differs in a record for any stamp, and when it is distrusted', () => {
    const listing = new Listing(listingOf([file]));
    const changes: readonly Partial<Listed>[] = [
      { mode: 0o755 },
      { mtimeNs: -4n },
      { ctimeNs: 1n },
      { ino: 1n },
      { size: 1n },
    ];
    for (const change of changes) {
      const other = new Listing(listingOf([{ ...file, ...change }]));
      expect(listing.sameRecord(0, other, 0)).toBe(false);
      expect(listing.isStampOf(0, stampOf({ ...file, ...change }))).toBe(change.ino === undefined);
      other.restamp(0, stampOf(file));
      expect(listing.sameRecord(0, other, 0)).toBe(true);
    }
    const spoiled = new Listing(Buffer.from(listing.bytes));
    spoiled.distrust(0);
    expect(listing.sameRecord(0, spoiled, 0)).toBe(false);
  });

  it('passes through frames', () => {
    const frames = Buffer.concat([frameListing('', listingOf([])), frameListing('a/b\xfe', listingOf([file]))]);
    expect([...unframeListings(frames)].map(({ path, listing }) => [path, new Listing(listing).count])).toEqual([
      ['', 0],
      ['a/b\xfe', 1],
    ]);
  });

  it('is put in order', () => {
    const records = listingOf([twin, file, link])
      .subarray(listingOf([]).length)
      .subarray(0, 3 * 48);
    const sorted = sortListed([twin, file, link], records);
    expect(encodeListing(sorted.names, sorted.records)).toEqual(listingOf([file, link, twin]));
  });

  it('that is cut is no listing', () => {
    const bytes = listingOf([file, link]);
    for (let length = 4; length < bytes.length; length += 1)
      expect(() => new Listing(bytes.subarray(0, length)).check()).toThrow(RangeError);
  });
});
