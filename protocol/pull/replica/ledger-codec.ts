import { ByteReader } from '../../base/byte-reader.ts';
import type { ByteWriter } from '../../base/byte-writer.ts';
import { TowError } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import { asDigest, type Digest } from '../../chunk/digest.ts';
import type { Entry, EntryKind } from '../../chunk/entry.ts';
import { noteSummary, summaryOf } from '../../chunk/manifest.ts';
import { readSummary, summaryBytes, writeSummary } from '../../chunk/summary-codec.ts';
import { frameInPlace } from './framed-record.ts';
import type { LedgerDirectory } from './ledger.ts';
import type { Print } from './print.ts';

/**
 * One step of a ledger's history: the directories that it replaces (or drops), and the whole's new heading. A ledger
 * file is a first record that names every directory, then one a sync; a journal carries the record that its switch
 * will add, with `noPrint` where the prints are not known yet.
 */
export interface LedgerRecord {
  readonly source: string;
  readonly digest: Digest;
  readonly root: Entry;
  readonly rootPrint: Print;
  readonly settledNs: bigint;
  readonly dropped: readonly RootPath[];
  readonly replaced: readonly LedgerDirectory[];
}

const kinds: readonly EntryKind[] = ['file', 'dir', 'symlink', 'hardlink', 'unknown'];

/** Where a record of the first layout has the length of its source, which is never this; then the number of the layout. */
const layoutMarker = 0xffff_ffff;
const layout = 2;

/** As it lies in a ledger or a journal. */
export function frameLedgerRecord(record: LedgerRecord): Buffer {
  return frameInPlace((writer) => writeRecord(writer, record), roomFor(record));
}

function writeRecord(writer: ByteWriter, record: LedgerRecord): void {
  writer.u32(layoutMarker);
  writer.u8(layout);
  writer.text(Buffer.from(record.source).toString('latin1'));
  writer.text(record.digest);
  writer.text(String(record.settledNs));
  writeEntry(writer, record.root, record.rootPrint);
  writer.u32(record.dropped.length);
  for (const path of record.dropped) writer.text(path);
  writer.u32(record.replaced.length);
  for (const directory of record.replaced) {
    writer.text(directory.path);
    writeSummary(writer, summaryOf(directory));
    const asRead = unread.get(directory);
    if (asRead !== undefined) {
      writer.blob(asRead);
      continue;
    }
    writer.u32(4 + entriesBytes(directory));
    writer.u32(directory.entries.length);
    directory.entries.forEach((entry, at) => writeEntry(writer, entry, directory.prints[at] ?? ''));
  }
}

/** Of the payload of a frame. Entries are read when they are asked for, but for a record of the first layout. */
export function decodeLedgerRecord(bytes: Buffer): LedgerRecord {
  const isFirst = bytes.length < 4 || bytes.readUInt32LE(0) !== layoutMarker;
  const reader = new ByteReader(bytes);
  if (!isFirst) {
    reader.u32();
    const found = reader.u8();
    if (found !== layout) throw new TowError('ledger-damaged', `a ledger record of layout ${found}`);
  }
  const source = Buffer.from(reader.text(), 'latin1').toString();
  const digest = asDigest(reader.text());
  const settledNs = BigInt(reader.text());
  const root = readEntry(reader);
  const dropped = Array.from({ length: reader.u32() }, () => reader.text());
  const replaced = Array.from({ length: reader.u32() }, () => {
    const path = reader.text();
    return isFirst ? { path, ...readEntries(reader) } : readDirectory(path, reader);
  });
  return { source, digest, settledNs, root: root.entry, rootPrint: root.print, dropped, replaced };
}

type Items = Pick<LedgerDirectory, 'entries' | 'prints'>;

/** What directories are to be read from that nobody has asked for. */
const unread = new WeakMap<LedgerDirectory, Buffer>();

function readDirectory(path: RootPath, reader: ByteReader): LedgerDirectory {
  const summary = readSummary(reader);
  let state: Items | Buffer = reader.blob();
  const items = (): Items => {
    if (Buffer.isBuffer(state)) {
      state = readEntries(new ByteReader(state));
      unread.delete(directory);
    }
    return state;
  };
  const directory: LedgerDirectory = {
    path,
    get entries() {
      return items().entries;
    },
    get prints() {
      return items().prints;
    },
  };
  unread.set(directory, state);
  noteSummary(directory, summary);
  return directory;
}

function readEntries(reader: ByteReader): Items {
  const entries: Entry[] = [];
  const prints: Print[] = [];
  for (let left = reader.u32(); left > 0; left -= 1) {
    const { entry, print } = readEntry(reader);
    entries.push(entry);
    prints.push(print);
  }
  return { entries, prints };
}

/** Numbers and lengths of one entry. */
const entryBytes = 37;

function roomFor({ source, root, dropped, replaced }: LedgerRecord): number {
  let bytes = 1024 + 4 * source.length + root.content.length;
  for (const path of dropped) bytes += 4 + path.length;
  for (const directory of replaced) {
    const items = unread.get(directory)?.length ?? entriesBytes(directory);
    bytes += 12 + directory.path.length + summaryBytes + items;
  }
  return bytes;
}

function entriesBytes({ entries, prints }: LedgerDirectory): number {
  let bytes = 0;
  for (const [at, { name, content }] of entries.entries())
    bytes += entryBytes + name.length + content.length + (prints[at]?.length ?? 0);
  return bytes;
}

function writeEntry(writer: ByteWriter, entry: Entry, print: Print): void {
  writer.u8(kinds.indexOf(entry.kind));
  writer.text(entry.name);
  writer.u32(entry.mode);
  writer.i64(entry.mtimeSec);
  writer.u32(entry.mtimeNsec);
  writer.i64(entry.size);
  writer.text(entry.content);
  writer.text(print);
}

function readEntry(reader: ByteReader): { entry: Entry; print: Print } {
  const kind = kinds[reader.u8()];
  if (kind === undefined) throw new TowError('ledger-damaged', 'unknown entry kind in a ledger record');
  const entry: Entry = {
    kind,
    name: reader.text(),
    mode: reader.u32(),
    mtimeSec: reader.i64(),
    mtimeNsec: reader.u32(),
    size: reader.i64(),
    content: reader.text(),
  };
  return { entry, print: reader.text() };
}
