/** What a copy has put onto the node, and what its objects were: one framed record, replaced whole by every run that ends. */
import { readFileSync } from 'node:fs';
import { ByteReader } from '../../protocol/base/byte-reader.ts';
import { ByteWriter } from '../../protocol/base/byte-writer.ts';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';
import { bytesOf, parseRootPath, type RootPath } from '../../protocol/base/root-path.ts';
import { replaceFile } from '../../protocol/pull/replica/durable-file.ts';
import { frameRecord, unframeRecords } from '../../protocol/pull/replica/framed-record.ts';
import type { Print } from '../../protocol/pull/replica/print.ts';

export interface CopiedFile {
  /** Of the object; '' when its bytes are not known to be whole. */
  readonly version: string;
  readonly print: Print;
}

export interface CopyLedger {
  /** Names the place that the versions are of. */
  readonly source: string;
  readonly files: Map<RootPath, CopiedFile>;
  /** Directories that a copy made, with the version of the object that says so by its metadata; '' for all others. */
  readonly directories: Map<RootPath, string>;
}

const format = 1;

export function emptyLedger(source: string): CopyLedger {
  return { source, files: new Map(), directories: new Map() };
}

/** The same files, of which it is not known what they are at another source: versions are compared within one alone. */
export function atSource(ledger: CopyLedger, source: string): CopyLedger {
  if (ledger.source === source) return ledger;
  return {
    source,
    files: new Map([...ledger.files].map(([path, { print }]) => [path, { version: '', print }])),
    directories: new Map([...ledger.directories.keys()].map((path) => [path, ''])),
  };
}

/** Undefined when it is damaged: then what lies there is nobody's. Blocking. */
export function readCopyLedger(path: string): CopyLedger | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return emptyLedger('');
    throw error;
  }
  const { payloads, wholeBytes } = unframeRecords(bytes);
  const [payload] = payloads;
  if (payload === undefined || wholeBytes !== bytes.length) return undefined;
  try {
    return decode(payload);
  } catch (error) {
    if (error instanceof TowError) return undefined;
    throw error;
  }
}

/** Durable when it returns. Blocking. */
export function writeCopyLedger(path: string, { source, files, directories }: CopyLedger): void {
  const writer = new ByteWriter();
  writer.u8(format);
  writer.text(bytesOf(source));
  writer.u32(directories.size);
  for (const [name, version] of directories) {
    writer.text(name);
    writer.text(bytesOf(version));
  }
  writer.u32(files.size);
  for (const [name, { version, print }] of files) {
    writer.text(name);
    writer.text(bytesOf(version));
    writer.text(print);
  }
  replaceFile(path, [frameRecord(writer.bytes())]);
}

function decode(payload: Buffer): CopyLedger {
  const reader = new ByteReader(payload);
  if (reader.u8() !== format) throw new TowError('ledger-damaged', 'a ledger of another version');
  const utf8 = (): string => Buffer.from(reader.text(), 'latin1').toString();
  const source = utf8();
  const directories = new Map<RootPath, string>();
  for (let left = reader.u32(); left > 0; left -= 1) directories.set(parseRootPath(reader.text()), utf8());
  const files = new Map<RootPath, CopiedFile>();
  for (let left = reader.u32(); left > 0; left -= 1) {
    const name = parseRootPath(reader.text());
    files.set(name, { version: utf8(), print: reader.text() });
  }
  if (!reader.done) throw new TowError('ledger-damaged', 'a ledger with something behind it');
  return { source, files, directories };
}
