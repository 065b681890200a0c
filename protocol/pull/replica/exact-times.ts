/**
 * Whether a print that is taken now may be trusted at once. A kernel stamps changes with a clock that ticks every 1 to 10 ms, so
 * that a change within the tick of the one before leaves no trace; prints so young are hashed once more (`Ledger.settledNs`).
 * Since Linux 6.13 tmpfs, ext4, XFS and btrfs stamp what somebody has looked at with the time itself (multigrain timestamps),
 * and never earlier than before. Which file systems do is found out by trying: three changes with looks between them, all
 * within less than a tick, can have three ctimes only there.
 */
import { closeSync, fstatSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { nativePath } from '../../base/root-path.ts';
import { isOnNetwork } from '../watch/network.ts';
import { hasMountInside } from './mount-table.ts';

/** Shorter than the shortest tick (HZ=1000). */
const tickMs = 0.9;
const changes = 3;
/** A busy machine may not get that done in time. */
const attempts = 5;

/**
 * Whether it is so for all that lies in `root`; `directory` is another one on its file system, and ours. Both are latin1-held.
 * False where it cannot be tried. Makes a file and removes it. Blocking, some 0.1 ms.
 */
export function timesAreExact(root: string, directory: string): boolean {
  if (hasMountInside(root) || isOnNetwork(nativePath(directory))) return false;
  const path = nativePath(`${directory}/.clock`);
  try {
    const fd = openSync(path, 'wx', 0o600);
    try {
      unlinkSync(path);
      return tryOut(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // No room for a byte, for one: waiting and hashing are always right.
    return false;
  }
}

function tryOut(fd: number): boolean {
  const byte = new Uint8Array(1);
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const began = performance.now();
    const seen = new Set<bigint>([fstatSync(fd, { bigint: true }).ctimeNs]);
    for (let change = 0; change < changes; change += 1) {
      writeSync(fd, byte, 0, 1, 0);
      seen.add(fstatSync(fd, { bigint: true }).ctimeNs);
    }
    if (performance.now() - began < tickMs) return seen.size === changes + 1;
  }
  return false;
}
