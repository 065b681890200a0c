/** Reads a bucket's index: the newest checkpoint, then the journals since. */
import { open, readdir, rename } from 'node:fs/promises';
import { TowError } from '../../../protocol/base/errors.ts';
import { Turns } from '../../../protocol/base/turns.ts';
import { unframeRecords } from '../../../protocol/pull/replica/framed-record.ts';
import { printIdentity } from '../../../protocol/pull/replica/print.ts';
import type { ByteKey } from './bucket-key.ts';
import { EntryMap } from './entry-map.ts';
import { decodeRecords, type IndexEntry, type IndexRecord } from './index-record.ts';

const sliceBytes = 128 << 10;
/** No frame is as long. */
const maxFrameBytes = 4 << 20;

/** How a key's file may stand after a crash: which file lies there, and what is said of it then. */
export interface Stand {
  readonly identity: string;
  /** Undefined for a file that the index had not known. */
  readonly entry: IndexEntry | undefined;
}

export interface LoadedIndex {
  readonly entries: EntryMap;
  /** Keys whose last write or removal is not known to be done on the disk, with every state they may be in. */
  readonly unsettled: ReadonlyMap<ByteKey, readonly Stand[]>;
  /** Numbers of the files read. The next journal has a higher one. */
  readonly last: number;
  readonly journals: number;
  readonly journalBytes: number;
  readonly checkpointBytes: number;
  /** Files that are not as they were written; they were set aside. */
  readonly damaged: readonly string[];
}

export function checkpointName(number: number): string {
  return `${number}.checkpoint`;
}

export function journalName(number: number): string {
  return `${number}.journal`;
}

/** The numbered files of an index, ascending. */
export async function indexFiles(
  directory: string,
): Promise<{ readonly checkpoints: readonly number[]; readonly journals: readonly number[] }> {
  const names = await readdir(directory);
  const numbers = (suffix: string): number[] =>
    names
      .map((name) => new RegExp(`^(\\d{1,15})\\.${suffix}$`).exec(name)?.[1])
      .filter((number) => number !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  return { checkpoints: numbers('checkpoint'), journals: numbers('journal') };
}

/** A torn end of the last journal was promised to nobody and is left out; anything else that is damaged is named. */
export async function loadIndex(directory: string): Promise<LoadedIndex> {
  const { checkpoints, journals } = await indexFiles(directory);
  const checkpoint = checkpoints.at(-1);
  const since = journals.filter((number) => number >= (checkpoint ?? 0));
  const replay = new Replay();
  const damaged: string[] = [];
  const read = async (name: string, mayBeTorn: boolean): Promise<number> => {
    const path = `${directory}/${name}`;
    const { bytes, whole } = await readRecords(path, (record) => replay.apply(record));
    if (!whole && !mayBeTorn) {
      await rename(path, `${path}.damaged`);
      damaged.push(`${path}.damaged`);
    }
    return bytes;
  };
  const checkpointBytes = checkpoint === undefined ? 0 : await read(checkpointName(checkpoint), false);
  let journalBytes = 0;
  for (const number of since) journalBytes += await read(journalName(number), number === since.at(-1));
  return {
    entries: replay.entries,
    unsettled: replay.unsettled,
    last: Math.max(0, ...checkpoints, ...journals),
    journals: since.length,
    journalBytes,
    checkpointBytes,
    damaged,
  };
}

class Replay {
  readonly entries = new EntryMap();
  readonly unsettled = new Map<ByteKey, Stand[]>();

  apply(record: IndexRecord): void {
    switch (record.type) {
      case 'entry':
        this.entries.setPacked(record.key, record.packed);
        this.unsettled.delete(record.key);
        return;
      case 'write':
        this.#stands(record.entry.key, record.before).push({
          identity: printIdentity(record.entry.print),
          entry: record.entry,
        });
        this.entries.set(record.entry);
        return;
      case 'remove':
        this.#stands(record.key, record.before);
        this.entries.delete(record.key);
        return;
      case 'settled': {
        const entry = this.entries.get(record.key);
        if ((entry?.version ?? '') !== record.version) return;
        this.unsettled.delete(record.key);
        if (entry !== undefined) this.entries.set({ ...entry, print: record.print });
        return;
      }
      case 'forget':
        this.entries.delete(record.key);
        this.unsettled.delete(record.key);
    }
  }

  /** Those of a key, with what lay there before the write or removal that follows. */
  #stands(key: ByteKey, before: string): Stand[] {
    const stands = this.unsettled.get(key) ?? [];
    this.unsettled.set(key, stands);
    const entry = this.entries.get(key);
    const known = entry !== undefined && printIdentity(entry.print) === before;
    if (before !== '') stands.push({ identity: before, entry: known ? entry : undefined });
    return stands;
  }
}

async function readRecords(
  path: string,
  take: (record: IndexRecord) => void,
): Promise<{ readonly bytes: number; readonly whole: boolean }> {
  const turns = new Turns();
  const file = await open(path, 'r');
  try {
    let rest = Buffer.alloc(0);
    let bytes = 0;
    for (;;) {
      const slice = Buffer.allocUnsafe(sliceBytes);
      const { bytesRead } = await file.read(slice, 0, sliceBytes, null);
      if (bytesRead === 0) return { bytes, whole: rest.length === 0 };
      bytes += bytesRead;
      rest = Buffer.concat([rest, slice.subarray(0, bytesRead)]);
      const { payloads, wholeBytes } = unframeRecords(rest);
      for (const payload of payloads) {
        for (const record of recordsOf(payload)) {
          take(record);
          if (turns.over) await turns.next();
        }
      }
      rest = rest.subarray(wholeBytes);
      if (rest.length > maxFrameBytes) return { bytes, whole: false };
    }
  } finally {
    await file.close();
  }
}

/** A frame that is whole and makes no sense was written by another build. */
function* recordsOf(payload: Buffer): Generator<IndexRecord, void, undefined> {
  try {
    yield* decodeRecords(payload);
  } catch (error) {
    throw new TowError('store-failed', "the bucket's index has records that this build does not know", {
      cause: error,
      hint: 'it was written by a newer build: use that one',
    });
  }
}
