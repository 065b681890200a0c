import { ByteReader } from '../../base/byte-reader.ts';
import type { ByteWriter } from '../../base/byte-writer.ts';
import { TowError } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import { asDigest, type Digest } from '../../chunk/digest.ts';
import type { Entry, EntryKind } from '../../chunk/entry.ts';
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

/** As it lies in a ledger or a journal. */
export function frameLedgerRecord(record: LedgerRecord): Buffer {
  return frameInPlace((writer) => writeRecord(writer, record), roomFor(record));
}

function writeRecord(writer: ByteWriter, record: LedgerRecord): void {
  writer.text(Buffer.from(record.source).toString('latin1'));
  writer.text(record.digest);
  writer.text(String(record.settledNs));
  writeEntry(writer, record.root, record.rootPrint);
  writer.u32(record.dropped.length);
  for (const path of record.dropped) writer.text(path);
  writer.u32(record.replaced.length);
  for (const directory of record.replaced) {
    writer.text(directory.path);
    writer.u32(directory.entries.length);
    directory.entries.forEach((entry, at) => writeEntry(writer, entry, directory.prints[at] ?? ''));
  }
}

/** Of the payload of a frame. */
export function decodeLedgerRecord(bytes: Buffer): LedgerRecord {
  const reader = new ByteReader(bytes);
  const source = Buffer.from(reader.text(), 'latin1').toString();
  const digest = asDigest(reader.text());
  const settledNs = BigInt(reader.text());
  const root = readEntry(reader);
  const dropped = Array.from({ length: reader.u32() }, () => reader.text());
  const replaced = Array.from({ length: reader.u32() }, () => {
    const path = reader.text();
    const entries: Entry[] = [];
    const prints: Print[] = [];
    for (let left = reader.u32(); left > 0; left -= 1) {
      const { entry, print } = readEntry(reader);
      entries.push(entry);
      prints.push(print);
    }
    return { path, entries, prints };
  });
  return { source, digest, settledNs, root: root.entry, rootPrint: root.print, dropped, replaced };
}

/** Numbers and lengths of one entry. */
const entryBytes = 37;

function roomFor({ source, root, dropped, replaced }: LedgerRecord): number {
  let bytes = 1024 + 4 * source.length + root.content.length;
  for (const path of dropped) bytes += 4 + path.length;
  for (const { path, entries, prints } of replaced) {
    bytes += 8 + path.length;
    for (const [at, { name, content }] of entries.entries())
      bytes += entryBytes + name.length + content.length + (prints[at]?.length ?? 0);
  }
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
