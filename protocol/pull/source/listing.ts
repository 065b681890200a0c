/**
 * What the file system says of one directory, as bytes: compared whole to see that nothing changed, kept in the index,
 * handed from thread to thread.
 *
 *   count (u32) · the directory's stamp · a record of `recordBytes` an entry, in name order · names and symlink texts
 *
 * A record holds all that tells a file changed (size, mtime, ctime, inode, mode), so a file whose record is the same
 * has the chunks it had. The stamp is the directory's own (directory-stamp.ts): while it is the same, so are the names; zeros
 * stand for one that nothing can be told by. `distrust` spoils a record, so that it equals none the file system could give: that is how a
 * file that must be hashed again is marked, here and in the index alike.
 */
import { splitNs, splitNsWords } from '../../base/split-ns.ts';
import type { EntryKind } from '../../chunk/entry.ts';

/** What a listing can say; hard links look like files here. */
export type ListedKind = Exclude<EntryKind, 'hardlink'>;

const listedKinds: readonly ListedKind[] = ['file', 'dir', 'symlink', 'unknown'];

/** The part of a record that a reading of the file can renew. */
export interface FileStamp {
  readonly mode: number;
  /** mtime, ctime (ns), inode and size, as a record has them: `stampBytes` from `from` on. */
  readonly bytes: Buffer;
  readonly from: number;
}

export const stampBytes = 32;

/** What of an entry is not in its record. */
export interface ListedName {
  readonly name: string;
  /** A symlink's. */
  readonly text: string;
}

/** Words of a directory's stamp: mtime, ctime, inode, size, device. */
export const dirStampWords = 10;
const headBytes = 4 + 4 * dirStampWords;
export const recordBytes = 48;
/** A record in words of 32 bits; but for the first two as `lstatInto` has them. `dev` is not 0 only for a file with more than one name. */
export const recordWords = recordBytes / 4;
const at = { kind: 0, mode: 2, nameLength: 4, textLength: 6, mtime: 8, ctime: 16, ino: 24, size: 32, dev: 40 } as const;

/** The first two words. */
export function packRecordHead(
  words: Uint32Array,
  from: number,
  kind: ListedKind,
  mode: number,
  nameLength: number,
  textLength: number,
): void {
  words[from] = listedKinds.indexOf(kind) | (mode << 16);
  words[from + 1] = nameLength | (textLength << 16);
}

/** `records` one behind the other, of `names`, both in name order. */
export function encodeListing(names: readonly ListedName[], records: Buffer, stamp?: Uint32Array): Buffer {
  let texts = '';
  for (const { name, text } of names) texts += text === '' ? name : name + text;
  const bytes = Buffer.allocUnsafe(headBytes + records.length + texts.length);
  bytes.writeUInt32LE(names.length, 0);
  writeStamp(bytes, stamp);
  records.copy(bytes, headBytes);
  bytes.write(texts, headBytes + records.length, 'latin1');
  return bytes;
}

function writeStamp(bytes: Buffer, stamp: Uint32Array | undefined): void {
  for (let word = 0; word < dirStampWords; word += 1) bytes.writeUInt32LE(stamp?.[word] ?? 0, 4 + 4 * word);
}

/** Entries that were not gathered in name order, put into it. */
export function sortListed(names: ListedName[], records: Buffer): { names: ListedName[]; records: Buffer } {
  const order = names.map((one, from) => ({ one, from })).sort((a, b) => (a.one.name < b.one.name ? -1 : 1));
  const sorted = order.map(({ from }) => records.subarray(from * recordBytes, (from + 1) * recordBytes));
  return { names: order.map(({ one }) => one), records: Buffer.concat(sorted) };
}

const two32 = 0x1_0000_0000;

/** A ctime that no file has: year 1677. */
const noCtime = -(2n ** 63n);

/** A view of a listing's bytes; `restamp` and `distrust` write through. Positions count from 0. */
export class Listing {
  readonly bytes: Buffer;
  readonly count: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.count = bytes.readUInt32LE(0);
  }

  /** Whether names can have neither come nor gone, if `stamp` is what the directory's is now. */
  hasStamp(stamp: Uint32Array): boolean {
    let any = 0;
    for (let word = 0; word < dirStampWords; word += 1) {
      const known = this.bytes.readUInt32LE(4 + 4 * word);
      if (known !== stamp[word]) return false;
      any |= known;
    }
    return any !== 0;
  }

  kind(index: number): ListedKind {
    return listedKinds[this.bytes[this.#record(index) + at.kind] ?? 0] ?? 'unknown';
  }

  size(index: number): number {
    const from = this.#record(index) + at.size;
    return this.bytes.readInt32LE(from + 4) * two32 + this.bytes.readUInt32LE(from);
  }

  mode(index: number): number {
    return this.bytes.readUInt16LE(this.#record(index) + at.mode);
  }

  mtime(index: number): { readonly sec: number; readonly nsec: number } {
    const from = this.#record(index) + at.mtime;
    const high = this.bytes.readInt32LE(from + 4);
    return high < 0 ? splitNs(this.mtimeNs(index)) : splitNsWords(high, this.bytes.readUInt32LE(from));
  }

  mtimeNs(index: number): bigint {
    return this.bytes.readBigInt64LE(this.#record(index) + at.mtime);
  }

  ctimeNs(index: number): bigint {
    return this.bytes.readBigInt64LE(this.#record(index) + at.ctime);
  }

  ino(index: number): bigint {
    return this.bytes.readBigUInt64LE(this.#record(index) + at.ino);
  }

  /** Names the file among those with several names; undefined for one with a single name. */
  linkKey(index: number): string | undefined {
    if (!this.#hasTwin(index)) return undefined;
    const record = this.#record(index);
    return this.bytes.toString('latin1', record + at.dev, record + at.dev + 8) + this.#inode(index);
  }

  /** Names and texts in order, each a string of its own. */
  *texts(): Generator<{ readonly name: string; readonly text: string }, void, void> {
    let tail = headBytes + this.count * recordBytes;
    for (let index = 0; index < this.count; index += 1) {
      const record = this.#record(index);
      const nameEnd = tail + this.bytes.readUInt16LE(record + at.nameLength);
      const textEnd = nameEnd + this.bytes.readUInt16LE(record + at.textLength);
      yield {
        name: this.bytes.toString('latin1', tail, nameEnd),
        text: textEnd === nameEnd ? '' : this.bytes.toString('latin1', nameEnd, textEnd),
      };
      tail = textEnd;
    }
  }

  /** Where the first name lies in `bytes`; behind it its text, then the next name, as `lengths` says. */
  get namesFrom(): number {
    return headBytes + this.count * recordBytes;
  }

  /** Lengths of an entry's name (low half) and text, as its record has them. */
  lengths(index: number): number {
    return this.bytes.readUInt32LE(this.#record(index) + at.nameLength);
  }

  /** Whether an entry has this record (`recordBytes`). */
  hasRecord(index: number, record: Uint8Array): boolean {
    const from = this.#record(index);
    return this.bytes.compare(record, 0, recordBytes, from, from + recordBytes) === 0;
  }

  /** Names of the directories, in order. */
  *directories(): Generator<string, void, void> {
    let from = this.namesFrom;
    for (let index = 0; index < this.count; index += 1) {
      const lengths = this.lengths(index);
      const to = from + (lengths & 0xffff);
      if (this.kind(index) === 'dir') yield this.bytes.toString('latin1', from, to);
      from = to + (lengths >>> 16);
    }
  }

  /** Whether an entry has the same record in both, names aside. */
  sameRecord(index: number, other: Listing, otherIndex: number): boolean {
    const from = this.#record(index);
    const otherFrom = other.#record(otherIndex);
    return this.bytes.compare(other.bytes, otherFrom, otherFrom + recordBytes, from, from + recordBytes) === 0;
  }

  /** Whether any file has more than one name. */
  hasLinks(): boolean {
    for (let index = 0; index < this.count; index += 1) {
      if (this.#hasTwin(index)) return true;
    }
    return false;
  }

  restamp(index: number, { mode, bytes, from }: FileStamp): void {
    const record = this.#record(index);
    this.bytes.writeUInt16LE(mode, record + at.mode);
    bytes.copy(this.bytes, record + at.mtime, from, from + stampBytes);
  }

  /** Whether a stamp is of the file that was listed. */
  isStampOf(index: number, { bytes, from }: FileStamp): boolean {
    const [listed, stamped] = [this.#record(index) + at.ino, from + at.ino - at.mtime];
    return (
      this.bytes.readUInt32LE(listed) === bytes.readUInt32LE(stamped) &&
      this.bytes.readUInt32LE(listed + 4) === bytes.readUInt32LE(stamped + 4)
    );
  }

  /** Makes sure that the entry is looked at again by the next scan. */
  distrust(index: number): void {
    this.bytes.writeBigInt64LE(noCtime, this.#record(index) + at.ctime);
  }

  /** Throws RangeError when the bytes are no listing. */
  check(): void {
    let end = this.namesFrom;
    for (let index = 0; index < this.count; index += 1) {
      const lengths = this.lengths(index);
      end += (lengths & 0xffff) + (lengths >>> 16);
    }
    if (end !== this.bytes.length) throw new RangeError(`a listing of ${this.bytes.length} bytes says ${end}`);
  }

  #hasTwin(index: number): boolean {
    const from = this.#record(index) + at.dev;
    return this.bytes.readUInt32LE(from) !== 0 || this.bytes.readUInt32LE(from + 4) !== 0;
  }

  #inode(index: number): string {
    const from = this.#record(index) + at.ino;
    return this.bytes.toString('latin1', from, from + 8);
  }

  #record(index: number): number {
    return headBytes + index * recordBytes;
  }
}

/**
 * `known` with `fresh` in the place of what it says of `names`; both in name order, every fresh one's name is in `names`.
 * Its stamp stays: if names came or went since it was taken, the directory has another one by now.
 */
export function mergeListing(known: Listing, names: ReadonlySet<string>, fresh: Buffer): Buffer {
  const now = new Listing(fresh);
  const kept: { readonly name: string; readonly from: Listing; readonly at: number; readonly text: string }[] = [];
  let at = 0;
  for (const { name, text } of known.texts()) {
    if (!names.has(name)) kept.push({ name, from: known, at, text });
    at += 1;
  }
  at = 0;
  for (const { name, text } of now.texts()) {
    kept.push({ name, from: now, at, text });
    at += 1;
  }
  kept.sort((a, b) => (a.name < b.name ? -1 : 1));
  const texts = kept.map(({ name, text }) => name + text).join('');
  const bytes = Buffer.allocUnsafe(headBytes + kept.length * recordBytes + texts.length);
  bytes.writeUInt32LE(kept.length, 0);
  known.bytes.copy(bytes, 4, 4, headBytes);
  kept.forEach((one, to) => {
    const record = headBytes + one.at * recordBytes;
    one.from.bytes.copy(bytes, headBytes + to * recordBytes, record, record + recordBytes);
  });
  bytes.write(texts, headBytes + kept.length * recordBytes, 'latin1');
  return bytes;
}

const frameHeadBytes = 6;

/** One directory, as it is passed on: path length (u16), listing length (u32), path, listing. */
export function frameListing(path: string, listing: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(framedBytes(path, listing));
  writeFrame(frame, 0, path, listing);
  return frame;
}

export function framedBytes(path: string, listing: Buffer): number {
  return frameHeadBytes + path.length + listing.length;
}

/** Puts a frame at `at`; returns where it ends. */
export function writeFrame(into: Buffer, at: number, path: string, listing: Buffer): number {
  into.writeUInt16LE(path.length, at);
  into.writeUInt32LE(listing.length, at + 2);
  into.write(path, at + frameHeadBytes, 'latin1');
  return at + frameHeadBytes + path.length + listing.copy(into, at + frameHeadBytes + path.length);
}

/** The directories of joined frames. Listings share memory with `bytes`. */
export function* unframeListings(
  bytes: Buffer,
): Generator<{ readonly path: string; readonly listing: Buffer }, void, void> {
  for (let from = 0; from < bytes.length; ) {
    const pathEnd = from + frameHeadBytes + bytes.readUInt16LE(from);
    const end = pathEnd + bytes.readUInt32LE(from + 2);
    yield { path: bytes.toString('latin1', from + frameHeadBytes, pathEnd), listing: bytes.subarray(pathEnd, end) };
    from = end;
  }
}
