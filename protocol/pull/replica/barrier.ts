import { closeSync, mkdirSync, openSync } from 'node:fs';
import { syncFileSystem } from '../../libc/libc.ts';

/** A barrier: all that was written to the stage's file system, which is the root's, is on the disk when this returns. Blocking. */
export function syncStage(stage: string): void {
  const path = Buffer.from(stage, 'latin1');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const fd = openSync(path, 'r');
  try {
    syncFileSystem(fd, path.toString());
  } finally {
    closeSync(fd);
  }
}
