import { fchmodSync } from 'node:fs';
import { setFdMtime } from '../../protocol/libc/libc.ts';
import type { PosixMetadata } from '../../protocol/store/posix-metadata.ts';

/** What a file is that its object says no mode of. */
const usualMode = 0o644;

/** Gives an open file the mode and the mtime of its object. Blocking. */
export function applyPosix(fd: number, { mode, mtimeSec, mtimeNsec }: PosixMetadata): void {
  fchmodSync(fd, mode ?? usualMode);
  setFdMtime(fd, mtimeSec, mtimeNsec);
}
