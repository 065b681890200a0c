import { statfsSync } from 'node:fs';
import { errnoOf, TowError } from '../../base/errors.ts';
import { displayPath } from '../../base/root-path.ts';

const hintSpace = 'free some space on the node; what was fetched so far is kept and used by the next sync';
const hintInodes = 'delete files on the node: its file system has no inodes left, whatever space it has';

/** Before fetching: whether the stage's file system can take so many bytes and files. Blocking. */
export function checkSpace(stage: string, bytes: number, files: number): void {
  const stats = statfsSync(Buffer.from(stage, 'latin1'));
  const free = stats.bavail * stats.bsize;
  if (bytes > free) {
    throw new TowError(
      'no-space',
      `no space on the node for ${displayPath(stage)}: ${bytes} bytes needed, ${free} free`,
      { hint: hintSpace },
    );
  }
  // Some file systems (btrfs) have no inode table and say 0 of 0.
  if (stats.files > 0 && files > stats.ffree) {
    throw new TowError(
      'no-inodes',
      `no inodes on the node for ${displayPath(stage)}: ${files} files to make, ${stats.ffree} inodes free`,
      { hint: hintInodes },
    );
  }
}

/** Turns ENOSPC into `no-space` or `no-inodes`, by asking which it is; anything else is returned as it is. Blocking. */
export function explainDiskFull(error: unknown, stage: string): unknown {
  const errno = errnoOf(error);
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return error;
  const stats = statfsSync(Buffer.from(stage, 'latin1'));
  const inodes = stats.files > 0 && stats.ffree === 0;
  const what =
    errno === 'EDQUOT'
      ? 'disk quota exceeded'
      : inodes
        ? 'no inodes left'
        : `no space left (${stats.bavail * stats.bsize} bytes free)`;
  return new TowError(inodes ? 'no-inodes' : 'no-space', `${what} on the node at ${displayPath(stage)}`, {
    cause: error,
    hint: inodes ? hintInodes : hintSpace,
  });
}
