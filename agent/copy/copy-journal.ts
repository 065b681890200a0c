/**
 * What is about to be placed: batches, each written before its files get their names, so that a run that is killed in
 * between leaves no file of which nobody knows whose it is.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { bootId } from '../../protocol/base/boot-id.ts';
import { ByteReader } from '../../protocol/base/byte-reader.ts';
import { ByteWriter } from '../../protocol/base/byte-writer.ts';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';
import { absolutePath, bytesOf, parseRootPath, type RootPath } from '../../protocol/base/root-path.ts';
import { frameRecord, unframeRecords } from '../../protocol/pull/replica/framed-record.ts';
import { look, type Print, printIdentity, printOf } from '../../protocol/pull/replica/print.ts';
import type { CopyLedger } from './copy-ledger.ts';

export interface Placing {
  readonly path: RootPath;
  readonly version: string;
  /** Of the staged file: all of it but the ctime comes along. */
  readonly print: Print;
}

/** `damaged`: some of what a run before noted cannot be read, and no run has ended since. */
export type JournalState = 'none' | 'whole' | 'damaged';

export class CopyJournal {
  readonly #path: string;
  /** Is there from when a damage is found until a run ends: that run is the one that tells the user. */
  readonly #mark: string;
  readonly #boot: string;
  #fd: number | undefined;

  /** `boot`: names this run of the machine, '' where nobody knows it. */
  constructor(path: string, boot = bootId() ?? '') {
    this.#path = path;
    this.#mark = `${path}.damaged`;
    this.#boot = boot;
  }

  /** Files that come, and directories that are made. Blocking. Not durable: after a power cut what it says is not believed anyway. */
  append(source: string, files: readonly Placing[], directories: readonly RootPath[]): void {
    const writer = new ByteWriter();
    writer.text(bytesOf(this.#boot));
    writer.text(bytesOf(source));
    writer.u32(directories.length);
    for (const path of directories) writer.text(path);
    writer.u32(files.length);
    for (const { path, version, print } of files) {
      writer.text(path);
      writer.text(bytesOf(version));
      writer.text(printIdentity(print));
    }
    this.#fd ??= openSync(this.#path, 'a', 0o600);
    appendFileSync(this.#fd, frameRecord(writer.bytes()));
  }

  /** Tells the ledger of what a run before placed and did not live to note. Blocking. */
  recover(root: string, ledger: CopyLedger): JournalState {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return existsSync(this.#mark) ? 'damaged' : 'none';
    }
    const { payloads, wholeBytes } = unframeRecords(bytes);
    let damaged = wholeBytes < bytes.length || existsSync(this.#mark);
    for (const payload of payloads) {
      try {
        this.#recoverBatch(new ByteReader(payload), root, ledger);
      } catch (error) {
        // Whole records that make no sense were not written by this program: no file is ours for their sake.
        if (!(error instanceof TowError)) throw error;
        damaged = true;
      }
    }
    if (damaged) writeFileSync(this.#mark, '');
    // What is appended from now on must not lie behind a torn record, where nobody would find it.
    if (wholeBytes < bytes.length) truncateSync(this.#path, wholeBytes);
    return damaged ? 'damaged' : 'whole';
  }

  #recoverBatch(reader: ByteReader, root: string, ledger: CopyLedger): void {
    const boot = reader.text();
    const source = reader.text();
    const believed = boot !== '' && boot === bytesOf(this.#boot) && source === bytesOf(ledger.source);
    for (let left = reader.u32(); left > 0; left -= 1) {
      const path = parseRootPath(reader.text());
      if (!ledger.directories.has(path) && look(absolutePath(root, path))?.isDirectory() === true)
        ledger.directories.set(path, '');
    }
    for (let left = reader.u32(); left > 0; left -= 1) {
      const path = parseRootPath(reader.text());
      const version = Buffer.from(reader.text(), 'latin1').toString();
      const staged = reader.text();
      const stats = look(absolutePath(root, path));
      if (stats === undefined) continue;
      const print = printOf(stats);
      if (printIdentity(print) !== staged) continue;
      const known = ledger.files.get(path);
      if (known?.print === print) continue;
      ledger.files.set(path, { version: believed ? version : '', print });
    }
  }

  /** The ledger has it all, and the run has ended. Blocking. */
  remove(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    rmSync(this.#path, { force: true });
    rmSync(this.#mark, { force: true });
  }
}
