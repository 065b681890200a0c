/** What a bucket's index holds, and its records as they lie in a journal or a checkpoint. See docs/decisions/0006. */
import { ByteReader } from '../../../protocol/base/byte-reader.ts';
import { ByteWriter } from '../../../protocol/base/byte-writer.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import type { Print } from '../../../protocol/pull/replica/print.ts';
import type { ByteKey } from './bucket-key.ts';

/** Where an object's file lies: `files/KEY`, or `odd/HASH` when no directory holds its key as a path. */
export type Place = 'files' | 'odd';

export interface IndexEntry {
  readonly key: ByteKey;
  readonly place: Place;
  readonly version: string;
  readonly size: number;
  readonly modifiedMs: number;
  readonly contentType: string | undefined;
  /** UTF-16. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly md5: string | undefined;
  /** Name in `tmp/` that the bytes had, or have as long as they are not in their place. */
  readonly temp: string;
  /** Of the file in its place; before it is there, the staged file's: the same but for the ctime. */
  readonly print: Print;
}

/** What an entry says of its key, as it lies in records: latin1-held bytes. */
export type PackedEntry = string;

export type IndexRecord =
  /** The key has this entry, and its file is in its place for good. */
  | { readonly type: 'entry'; readonly key: ByteKey; readonly packed: PackedEntry }
  /** The file is staged, durable, and is put in its place next. `before`: identity of what lies there; '' for nothing. */
  | { readonly type: 'write'; readonly entry: IndexEntry; readonly before: string }
  /** The file is removed next. */
  | { readonly type: 'remove'; readonly key: ByteKey; readonly before: string }
  /** What was written (its version) or removed ('') last is so on the disk. */
  | { readonly type: 'settled'; readonly key: ByteKey; readonly version: string; readonly print: Print }
  /** Nothing is known of the key. */
  | { readonly type: 'forget'; readonly key: ByteKey };

const types = ['entry', 'write', 'remove', 'settled', 'forget'] as const;
const places = ['files', 'odd'] as const;

export function encodeRecord(record: IndexRecord): Buffer {
  const writer = new ByteWriter();
  writer.u8(types.indexOf(record.type));
  switch (record.type) {
    case 'entry':
      writer.text(record.key);
      writer.raw(record.packed);
      break;
    case 'write':
      writer.text(record.entry.key);
      writeEntry(writer, record.entry);
      writer.text(record.before);
      break;
    case 'remove':
      writer.text(record.key);
      writer.text(record.before);
      break;
    case 'settled':
      for (const text of [record.key, record.version, record.print]) writer.text(text);
      break;
    case 'forget':
      writer.text(record.key);
  }
  return writer.bytes();
}

/** The records of one frame, decoded as they are asked for. Throws `bad-message` on bytes that are none. */
export function* decodeRecords(payload: Buffer): Generator<IndexRecord, void, undefined> {
  const reader = new ByteReader(payload);
  while (!reader.done) yield readRecord(reader);
}

function readRecord(reader: ByteReader): IndexRecord {
  const type = types[reader.u8()];
  switch (type) {
    case 'entry':
      return { type, key: reader.text(), packed: reader.span(skipEntry) };
    case 'write':
      return { type, entry: readEntry(reader.text(), reader), before: reader.text() };
    case 'remove':
      return { type, key: reader.text(), before: reader.text() };
    case 'settled':
      return { type, key: reader.text(), version: reader.text(), print: reader.text() };
    case 'forget':
      return { type, key: reader.text() };
    case undefined:
    default:
      throw new TowError('bad-message', 'an unknown record in the index of a bucket');
  }
}

export function packEntry(entry: IndexEntry): PackedEntry {
  const writer = new ByteWriter(256);
  writeEntry(writer, entry);
  return writer.bytes().toString('latin1');
}

export function unpackEntry(key: ByteKey, packed: PackedEntry): IndexEntry {
  return readEntry(key, new ByteReader(Buffer.from(packed, 'latin1')));
}

export function packedPlace(packed: PackedEntry): Place {
  return placeOf(packed.charCodeAt(0));
}

function placeOf(code: number): Place {
  const place = places[code];
  if (place === undefined) throw new TowError('bad-message', 'an unknown place in the index of a bucket');
  return place;
}

function writeEntry(writer: ByteWriter, entry: IndexEntry): void {
  writer.u8(places.indexOf(entry.place));
  writer.text(entry.version);
  writer.i64(entry.size);
  writer.i64(entry.modifiedMs);
  writer.u8(entry.contentType === undefined ? 0 : 1);
  writer.blob(Buffer.from(entry.contentType ?? ''));
  const metadata = Object.entries(entry.metadata);
  writer.u32(metadata.length);
  for (const pair of metadata) for (const text of pair) writer.blob(Buffer.from(text));
  writer.text(entry.md5 ?? '');
  writer.text(entry.temp);
  writer.text(entry.print);
}

/** Checks what `readEntry` would throw at. */
function skipEntry(reader: ByteReader): void {
  placeOf(reader.u8());
  reader.skipText();
  reader.i64();
  reader.i64();
  reader.u8();
  reader.skipText();
  // Names and values of the metadata, then md5, temp, print.
  for (let left = 2 * reader.u32() + 3; left > 0; left -= 1) reader.skipText();
}

function readEntry(key: ByteKey, reader: ByteReader): IndexEntry {
  const place = placeOf(reader.u8());
  const [version, size, modifiedMs] = [reader.text(), reader.i64(), reader.i64()];
  const hasType = reader.u8() === 1;
  const contentType = reader.blob().toString();
  const pairs: [string, string][] = [];
  for (let left = reader.u32(); left > 0; left -= 1) pairs.push([reader.blob().toString(), reader.blob().toString()]);
  const md5 = reader.text();
  return {
    key,
    place,
    version,
    size,
    modifiedMs,
    contentType: hasType ? contentType : undefined,
    // A name may be `__proto__`, which an assignment would not keep.
    metadata: Object.fromEntries(pairs),
    md5: md5 === '' ? undefined : md5,
    temp: reader.text(),
    print: reader.text(),
  };
}
