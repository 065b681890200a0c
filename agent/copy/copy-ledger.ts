/** What a copy has put onto the node, and what its objects were: one framed record, replaced whole by every run that ends. */
import { readFileSync } from 'node:fs';
import { ByteReader } from '../../protocol/base/byte-reader.ts';
import { ByteWriter } from '../../protocol/base/byte-writer.ts';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';
import { bytesOf, type RootPath } from '../../protocol/base/root-path.ts';
import { replaceFile } from '../../protocol/pull/replica/durable-file.ts';
import { frameRecord, unframeRecords } from '../../protocol/pull/replica/framed-record.ts';
import type { Print } from '../../protocol/pull/replica/print.ts';

export interface CopiedFile {
  /** Of the object; '' when its bytes are not known to be whole. */
  readonly version: string;
  readonly print: Print;
}

export interface CopyLedger {
  readonly files: Map<RootPath, CopiedFile>;
  /** Directories that a copy made. */
  readonly directories: Set<RootPath>;
}

const format = 1;

export function emptyLedger(): CopyLedger {
  return { files: new Map(), directories: new Set() };
}

/** Undefined when it is damaged: then what lies there is nobody's. Blocking. */
export function readCopyLedger(path: string): CopyLedger | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return emptyLedger();
    throw error;
  }
  const { payloads, wholeBytes } = unframeRecords(bytes);
  const [payload] = payloads;
  if (payload === undefined || wholeBytes !== bytes.length) return undefined;
  try {
    return decode(payload);
  } catch (error) {
    if (error instanceof TowError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Durable when it returns. Blocking. */
export function writeCopyLedger(path: string, { files, directories }: CopyLedger): void {
  const writer = new ByteWriter();
  writer.u8(format);
  writer.u32(directories.size);
  for (const directory of directories) writer.text(directory);
  writer.u32(files.size);
  for (const [name, { version, print }] of files) {
    writer.text(name);
    writer.text(bytesOf(version));
    writer.text(print);
  }
  replaceFile(path, frameRecord(writer.bytes()));
}

function decode(payload: Buffer): CopyLedger {
  const reader = new ByteReader(payload);
  if (reader.u8() !== format) throw new TowError('ledger-damaged', 'a ledger of another version');
  const directories = new Set<RootPath>();
  for (let left = reader.u32(); left > 0; left -= 1) directories.add(reader.text());
  const files = new Map<RootPath, CopiedFile>();
  for (let left = reader.u32(); left > 0; left -= 1) {
    const name = reader.text();
    files.set(name, { version: Buffer.from(reader.text(), 'latin1').toString(), print: reader.text() });
  }
  return { files, directories };
}
