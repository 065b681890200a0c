import {
  encodeListing,
  type FileStamp,
  type ListedKind,
  Listing,
  packRecordHead,
  recordWords,
} from '../../protocol/pull/source/listing.ts';

export interface Listed {
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly name: string;
  readonly kind: ListedKind;
  readonly dev: bigint;
  readonly text: string;
}

/** What a reading of the file would say of it. */
export function stampOf({ mode, mtimeNs, ctimeNs, ino, size }: Listed): FileStamp {
  const words = new BigInt64Array([mtimeNs, ctimeNs, BigInt.asIntN(64, ino), size]);
  return { mode, bytes: Buffer.from(words.buffer), from: 0 };
}

/** The bytes of a listing with these entries. */
export function listingOf(entries: readonly Listed[]): Buffer {
  const words = new Uint32Array(entries.length * recordWords);
  for (const [at, { kind, mode, name, text, dev }] of entries.entries()) {
    packRecordHead(words, at * recordWords, kind, mode, name.length, text.length);
    words.set([Number(dev), 0], (at + 1) * recordWords - 2);
  }
  const listing = new Listing(encodeListing(entries, Buffer.from(words.buffer)));
  for (const [at, stamp] of entries.entries()) listing.restamp(at, stampOf(stamp));
  return listing.bytes;
}
