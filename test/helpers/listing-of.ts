import {
  encodeListing,
  type FileStamp,
  type ListedKind,
  Listing,
  packRecordHead,
  recordWords,
} from '../../protocol/pull/source/listing.ts';

export interface Listed extends FileStamp {
  readonly name: string;
  readonly kind: ListedKind;
  readonly dev: bigint;
  readonly text: string;
}

/** The bytes of a listing with these entries. */
export function listingOf(entries: readonly Listed[]): Buffer {
  const words = new Uint32Array(entries.length * recordWords);
  for (const [at, { kind, mode, name, text, dev }] of entries.entries()) {
    packRecordHead(words, at * recordWords, kind, mode, name.length, text.length);
    words.set([Number(dev), 0], (at + 1) * recordWords - 2);
  }
  const listing = new Listing(encodeListing(entries, Buffer.from(words.buffer)));
  for (const [at, stamp] of entries.entries()) listing.restamp(at, stamp);
  return listing.bytes;
}
