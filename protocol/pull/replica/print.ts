import { type BigIntStats, lstatSync } from 'node:fs';
import { type NativePath } from '../../base/root-path.ts';
import type { EntryKind } from '../../chunk/entry.ts';

/**
 * A fingerprint: what lstat says of an object, squeezed into a short string. Equal prints mean that nobody touched the
 * object in between (ctime cannot be set back), but for edits within one tick of the clock, which `Ledger.settledNs`
 * covers. '' is the print of nothing and equals no object's.
 */
export type Print = string;

export const noPrint: Print = '';

/** Expected where our object was changed on the node: no object has this print, so whatever is there is kept. */
export const changedPrint: Print = 'changed';

const scratch = Buffer.alloc(44);

export function printOf(stats: BigIntStats): Print {
  scratch.writeBigInt64LE(stats.ctimeNs, 0);
  scratch.writeBigUInt64LE(BigInt.asUintN(64, stats.ino), 8);
  scratch.writeBigInt64LE(stats.mtimeNs, 16);
  scratch.writeBigInt64LE(stats.size, 24);
  scratch.writeBigInt64LE(stats.mode, 32);
  // A link made within the tick of the last change leaves no other trace.
  scratch.writeUInt32LE(Number(stats.nlink), 40);
  return scratch.toString('latin1', 0, 44);
}

/** The ctime inside a print, in nanoseconds since the epoch. */
export function printCtimeNs(print: Print): bigint {
  return Buffer.from(print.slice(0, 8), 'latin1').readBigInt64LE(0);
}

/** The inode inside a print. */
export function printInode(print: Print): string {
  return print.slice(8, 16);
}

/** What of a print a rename leaves as it is: inode, mtime and size. */
export function printIdentity(print: Print): string {
  return print.slice(8, 32);
}

/** The number of names inside a print. */
export function printLinks(print: Print): number {
  return Buffer.from(print.slice(40, 44), 'latin1').readUInt32LE(0);
}

/** lstat with 64-bit fields; undefined when there is nothing, or a component of the path is no directory. Blocking. */
export function look(path: NativePath): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The kind an lstat result is, as a manifest names it; 'other' for sockets, FIFOs and devices. */
export function kindOf(stats: BigIntStats): Exclude<EntryKind, 'hardlink' | 'unknown'> | 'other' {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'dir';
  return stats.isSymbolicLink() ? 'symlink' : 'other';
}
