import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import { printIdentity, printOf } from '../../../protocol/pull/replica/print.ts';
import type { Bucket } from './bucket.ts';
import { type ByteKey, keyOf } from './bucket-key.ts';
import type { IndexEntry } from './index-record.ts';

const chunkBytes = 512 << 10;
const patience = 8;

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** An object and its open file; undefined when there is none. Whoever has it reads it to an end, or closes it. */
export async function openObject(
  bucket: Bucket,
  key: ByteKey,
): Promise<{ readonly entry: IndexEntry; readonly file: FileHandle } | undefined> {
  for (let tries = 0; tries < patience; tries += 1) {
    const entry = await bucket.look(key);
    if (entry === undefined) return undefined;
    const file = await openFile(bucket.files.pathOf(entry.place, key));
    if (file === undefined) continue;
    const stats = await file.stat({ bigint: true });
    if (printOf(stats) === entry.print) return { entry, file };
    await file.close();
  }
  throw new TowError('object-changed', `${keyOf(key)} changes all the time`, { retryable: true });
}

/**
 * The bytes of an open object, closed at the end. Rejects with `object-changed` before the last of them when the user
 * wrote to the file meanwhile; one that was replaced or removed is read to its end.
 */
export async function* readObject(
  entry: IndexEntry,
  file: FileHandle,
  range: Range | undefined,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    const end = Math.min(range?.end ?? entry.size, entry.size);
    let at = range?.start ?? 0;
    while (at < end) {
      throwIfAborted(signal);
      const bytes = Buffer.allocUnsafe(Math.min(chunkBytes, end - at));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, at);
      if (bytesRead === 0) throw changed(entry);
      at += bytesRead;
      if (at >= end && !(await unchanged(entry, file))) throw changed(entry);
      yield bytes.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Removing the file, or its name, changes its ctime: only what is in it counts here. */
async function unchanged(entry: IndexEntry, file: FileHandle): Promise<boolean> {
  const print = printOf(await file.stat({ bigint: true }));
  return printIdentity(print) === printIdentity(entry.print);
}

function changed({ key }: IndexEntry): TowError {
  return new TowError('object-changed', `${keyOf(key)} changed while it was read`, { retryable: true });
}

/** Undefined when the file has gone. Neither follows a symlink nor waits for a writer of a FIFO. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENOTDIR') return undefined;
    throw error;
  }
}
