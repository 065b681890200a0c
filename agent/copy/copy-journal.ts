/**
 * What is about to be placed: batches, each written before its files get their names, so that a run that is killed in
 * between leaves no file of which nobody knows whose it is.
 */
import { appendFileSync, closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { bootId } from '../../protocol/base/boot-id.ts';
import { ByteReader } from '../../protocol/base/byte-reader.ts';
import { ByteWriter } from '../../protocol/base/byte-writer.ts';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';
import { absolutePath, bytesOf, type RootPath } from '../../protocol/base/root-path.ts';
import { frameRecord, unframeRecords } from '../../protocol/pull/replica/framed-record.ts';
import { look, type Print, printIdentity, printOf } from '../../protocol/pull/replica/print.ts';
import type { CopyLedger } from './copy-ledger.ts';

export interface Placing {
  readonly path: RootPath;
  readonly version: string;
  /** Of the staged file: all of it but the ctime comes along. */
  readonly print: Print;
}

export class CopyJournal {
  readonly #path: string;
  readonly #boot = bootId() ?? '';
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Blocking. Not durable: after a power cut what it says is not believed anyway. */
  append(batch: readonly Placing[]): void {
    const writer = new ByteWriter();
    writer.text(bytesOf(this.#boot));
    writer.u32(batch.length);
    for (const { path, version, print } of batch) {
      writer.text(path);
      writer.text(bytesOf(version));
      writer.text(printIdentity(print));
    }
    this.#fd ??= openSync(this.#path, 'a', 0o600);
    appendFileSync(this.#fd, frameRecord(writer.bytes()));
  }

  /** Tells the ledger of the files that a run before placed and did not live to note; returns how many. Blocking. */
  recover(root: string, ledger: CopyLedger): number {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.#path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 0;
      throw error;
    }
    let recovered = 0;
    try {
      for (const payload of unframeRecords(bytes).payloads)
        recovered += this.#recoverBatch(new ByteReader(payload), root, ledger);
    } catch (error) {
      // Whole records that make no sense were not written by this program: no file is ours for their sake.
      if (!(error instanceof TowError)) throw error;
    }
    return recovered;
  }

  #recoverBatch(reader: ByteReader, root: string, ledger: CopyLedger): number {
    let recovered = 0;
    const boot = reader.text();
    const sameBoot = boot !== '' && boot === bytesOf(this.#boot);
    for (let left = reader.u32(); left > 0; left -= 1) {
      const path = reader.text();
      const version = Buffer.from(reader.text(), 'latin1').toString();
      const staged = reader.text();
      const stats = look(absolutePath(root, path));
      if (stats === undefined) continue;
      const print = printOf(stats);
      if (printIdentity(print) !== staged) continue;
      const known = ledger.files.get(path);
      if (known?.print === print) continue;
      ledger.files.set(path, { version: sameBoot ? version : '', print });
      recovered += 1;
    }
    return recovered;
  }

  /** The ledger has it all. Blocking. */
  remove(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    rmSync(this.#path, { force: true });
  }
}
