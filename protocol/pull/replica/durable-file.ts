import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NativePath } from '../../base/root-path.ts';

/** Writes every byte of `bytes` to an open file. Blocking. */
export function writeAll(fd: number, bytes: Uint8Array, position: number | null = null): void {
  let at = 0;
  while (at < bytes.length) at += writeSync(fd, bytes, at, bytes.length - at, position === null ? null : position + at);
}

/** Makes the names in a directory durable. Blocking. */
export function syncDirectory(path: NativePath): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Replaces a file in one durable step: temp file in the same directory, fsync, rename, fsync of the directory. After a
 * crash the old or the new content is there, whole. Blocking.
 */
export function replaceFile(path: string, pieces: readonly Uint8Array[], mode = 0o600): void {
  const temp = `${path}.new`;
  const fd = openSync(temp, 'w', mode);
  try {
    for (const bytes of pieces) writeAll(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temp, path);
  syncDirectory(dirname(path));
}
