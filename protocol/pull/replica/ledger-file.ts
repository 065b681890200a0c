/**
 * A ledger on disk: one file of framed records, the first naming every directory, each later one what a sync changed.
 *
 * Crash points. Append: a torn record at the end is not there (the journal that led to it still is, so recovery
 * appends it again). Compaction: temp, fsync, rename, so the old or the new file is whole. A damaged record in the
 * middle ends the history there: what follows is lost, which costs hashing and refetching, never data, because paths
 * that the ledger does not know are treated as the node's own.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import { replaceFile, writeAll } from './durable-file.ts';
import { unframeRecords } from './framed-record.ts';
import type { Ledger, LedgerDirectory } from './ledger.ts';
import { decodeLedgerRecord, frameLedgerRecord, type LedgerRecord } from './ledger-codec.ts';

/** A history may grow to its first record's size plus this before it is written anew as one record. */
const slackBytes = 1 << 20;

export class LedgerFile {
  readonly #path: string;
  #bytes = 0;
  #firstBytes = 0;

  constructor(stateDir: string) {
    this.#path = join(stateDir, 'ledger');
  }

  /** Reads the ledger; undefined when nothing was ever synced, or nothing of it can be read. Blocking. */
  load(): Ledger | undefined {
    const { payloads, wholeBytes } = unframeRecords(this.#read());
    this.#bytes = wholeBytes;
    this.#firstBytes = payloads[0]?.length ?? 0;
    let ledger: Ledger | undefined;
    for (const payload of payloads) ledger = applyRecord(ledger, decodeLedgerRecord(payload));
    return ledger;
  }

  /** Adds a record durably (or, when the history has grown long, writes `after` as the only one). Blocking. */
  append(record: LedgerRecord, after: Ledger): void {
    const framed = this.#bytes === 0 ? undefined : frameLedgerRecord(record);
    if (framed === undefined || this.#bytes + framed.length > 2 * this.#firstBytes + slackBytes) {
      const whole = frameLedgerRecord({ ...after, dropped: [], replaced: [...after.directories.values()] });
      replaceFile(this.#path, [whole]);
      this.#bytes = whole.length;
      this.#firstBytes = whole.length;
      return;
    }
    const fd = openSync(this.#path, 'r+');
    try {
      ftruncateSync(fd, this.#bytes);
      writeAll(fd, framed, this.#bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    this.#bytes += framed.length;
  }

  remove(): void {
    rmSync(this.#path, { force: true });
    this.#bytes = 0;
  }

  #read(): Buffer {
    try {
      return readFileSync(this.#path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return Buffer.alloc(0);
      throw error;
    }
  }
}

/** The ledger after a record; unchanged directories are shared with the one before. */
export function applyRecord(before: Ledger | undefined, record: LedgerRecord): Ledger {
  const directories = new Map<RootPath, LedgerDirectory>(before?.directories);
  for (const path of record.dropped) directories.delete(path);
  for (const directory of record.replaced) directories.set(directory.path, directory);
  const { source, digest, root, rootPrint, settledNs } = record;
  return { source, digest, root, rootPrint, settledNs, directories };
}
