import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { type NativePath } from '../../base/root-path.ts';
import { digestOf } from '../../chunk/digest.ts';
import { chunkCount, chunkDigest, chunkLength, type Entry, isHole, maxChunkBytes } from '../../chunk/entry.ts';

const buffer = Buffer.allocUnsafe(maxChunkBytes);

/** Opens a regular file to read what is there now, never through a symlink; undefined if that is not allowed. Blocking. */
export function openForReading(path: NativePath): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (
      errno === 'EACCES' ||
      errno === 'EPERM' ||
      errno === 'ENOENT' ||
      errno === 'ENOTDIR' ||
      errno === 'ELOOP' ||
      errno === 'ENXIO' ||
      // It is being patched.
      errno === 'EAGAIN'
    )
      return undefined;
    throw error;
  }
}

/** Reads exactly `length` bytes at `offset` into shared memory that the next call overwrites; undefined at the end. */
export function readRange(fd: number, offset: number, length: number): Buffer | undefined {
  let at = 0;
  while (at < length) {
    const got = readSync(fd, buffer, at, length - at, offset + at);
    if (got === 0) return undefined;
    at += got;
  }
  return buffer.subarray(0, length);
}

/** Whether the file at `path`, known to have the entry's size, holds the entry's bytes. Reads all of it. Blocking. */
export function fileHolds(path: NativePath, entry: Entry): boolean {
  const fd = openForReading(path);
  if (fd === undefined) return false;
  try {
    let offset = 0;
    for (let at = 0; at < chunkCount(entry.content); at += 1) {
      const length = chunkLength(entry.content, at);
      if (
        isHole(entry.content, at)
          ? !rangeIsZero(fd, offset, length)
          : !rangeHolds(fd, offset, length, chunkDigest(entry.content, at))
      ) {
        return false;
      }
      offset += length;
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

function rangeHolds(fd: number, offset: number, length: number, digest: string): boolean {
  const bytes = readRange(fd, offset, length);
  return bytes !== undefined && digestOf(bytes) === digest;
}

export function rangeIsZero(fd: number, offset: number, length: number): boolean {
  for (let at = 0; at < length; at += maxChunkBytes) {
    const bytes = readRange(fd, offset + at, Math.min(maxChunkBytes, length - at));
    if (bytes === undefined || bytes.some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** A symlink's text, latin1-held; undefined if there is no symlink. Blocking. */
export function linkText(path: NativePath): string | undefined {
  try {
    return readlinkSync(path, { encoding: 'buffer' }).toString('latin1');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EINVAL' || errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Whether a file or symlink, of `size` bytes, has an entry's content. Blocking; reads the file. */
export function sameBytes(path: NativePath, size: bigint, entry: Entry): boolean {
  return entry.kind === 'symlink'
    ? linkText(path) === entry.content
    : entry.kind === 'file' && size === BigInt(entry.size) && fileHolds(path, entry);
}
