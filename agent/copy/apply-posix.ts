import { fchmodSync } from 'node:fs';
import { setFdMtime } from '../../protocol/libc/libc.ts';
import type { PosixMetadata } from '../../protocol/store/posix-metadata.ts';

/** What a file is that its object says no mode of. */
const usualMode = 0o644;

/** Gives an open file the mtime of its object and then, never 0, its mode. Blocking. */
export function applyPosix(fd: number, { mode, mtimeSec, mtimeNsec }: PosixMetadata): void {
  setFdMtime(fd, mtimeSec, mtimeNsec);
  fchmodSync(fd, mode ?? usualMode);
}
