import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { setFdMtime } from '../../../protocol/libc/libc.ts';
import { type Print, printOf } from '../../../protocol/pull/replica/print.ts';
import type { BucketFiles } from './bucket-files.ts';

/** Bytes hashed and written before others have their turn. */
const sliceBytes = 1 << 20;

/** A whole file in `tmp/`, on the disk, that an object is to have. */
export interface StagedFile {
  /** In `tmp/`. */
  readonly name: string;
  readonly size: number;
  /** Undefined when it was not made in one go. */
  readonly md5: string | undefined;
  readonly print: Print;
}

type Metadata = Readonly<Record<string, string>>;

/** Writes the bytes of one object. When it rejects nothing is left. */
export async function stageBytes(
  files: BucketFiles,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  metadata: Metadata,
  signal: AbortSignal,
): Promise<StagedFile> {
  const name = newName();
  const path = `${files.tmp}/${name}`;
  const file = await open(path, 'wx', 0o644);
  try {
    const hash = createHash('md5');
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += sliceBytes) {
        throwIfAborted(signal);
        const slice = chunk.subarray(at, at + sliceBytes);
        hash.update(slice);
        await writeAll(file, slice, null);
      }
    }
    return await finishStaged(file, name, metadata, hash.digest('hex'));
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
}

/** Takes over a file of this bucket that was written in parts, and closes it. When it rejects the file is where it was. */
export async function stageFile(
  files: BucketFiles,
  file: FileHandle,
  path: string,
  metadata: Metadata,
): Promise<StagedFile> {
  const name = newName();
  const staged = await finishStaged(file, name, metadata, undefined);
  await rename(path, `${files.tmp}/${name}`);
  return staged;
}

/** Of one that was not put in its place; nothing if it was. */
export async function discard(files: BucketFiles, staged: StagedFile): Promise<void> {
  await rm(`${files.tmp}/${staged.name}`, { force: true });
}

export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number | null): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position === null ? null : position + at);
    at += bytesWritten;
  }
}

async function finishStaged(
  file: FileHandle,
  name: string,
  metadata: Metadata,
  md5: string | undefined,
): Promise<StagedFile> {
  const mtime = mtimeOf(metadata);
  if (mtime !== undefined) setFdMtime(file.fd, mtime.sec, mtime.nsec);
  await file.sync();
  const stats = await file.stat({ bigint: true });
  await file.close();
  return { name, size: Number(stats.size), md5, print: printOf(stats) };
}

/** The mtime that s3fs and our mounts write beside an object: so the user's file is as old as the node's. */
function mtimeOf(metadata: Metadata): { readonly sec: number; readonly nsec: number } | undefined {
  const [, sec, fraction = ''] = /^(\d{1,10})(?:\.(\d{1,9}))?$/.exec(metadata['mtime'] ?? '') ?? [];
  return sec === undefined ? undefined : { sec: Number(sec), nsec: Number(fraction.padEnd(9, '0')) };
}

function newName(): string {
  return randomBytes(12).toString('hex');
}
