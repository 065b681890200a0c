/**
 * A large file that changes in a few places is not written anew: what is new of it is staged, as a file of its size with holes
 * for the rest, and put into the file that is there, while that is out of the root and nobody else has it open. See
 * docs/decisions/0001.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import type { NativePath } from '../../base/root-path.ts';
import { type ChunkList, chunkCount, dataChunkCount, type Entry } from '../../chunk/entry.ts';
import { copyRange } from '../../libc/copy-range.ts';
import { openAlone } from '../../libc/lease.ts';
import { type Extent, setFdMtime } from '../../libc/libc.ts';
import type { PatchOp } from './op.ts';
import { look, type Print, printInode, printKind, printLinks, printMode, printOf, printSize } from './print.ts';

/** A smaller one is copied in milliseconds. */
const fromBytes = 32 << 20;
/** What is written anew of a file at most, as a part of it. */
const mostPart = 0.25;
/** What is written anew in one switch at most, which is to be short, and of how many files. */
const mostWritten = 16 << 20;
const mostFiles = 16;
const ownReadWrite = 0o600;

/** A file that is to have a next version. */
export interface Patched {
  readonly where: NativePath;
  readonly print: Print;
  /** As the print should have them. */
  readonly size: number;
  readonly content: ChunkList;
}

/** What may still be patched in one switch. */
export class PatchBudget {
  #bytes = mostWritten;
  #files = mostFiles;

  /**
   * Whether the next version of a file is made by patching it: it has one name and no holes, may be written, does not grow
   * (what is new would take room twice), nobody has it open, and `kept`, what stays where it is, is nearly all of it. Blocking.
   */
  takes({ where, print, size, content }: Patched, entry: Entry, kept: readonly Extent[]): boolean {
    const written = entry.size - kept.reduce((sum, { length }) => sum + length, 0);
    if (entry.size < fromBytes || written > Math.min(this.#bytes, mostPart * entry.size) || this.#files === 0)
      return false;
    if (hasHoles(entry.content) || hasHoles(content)) return false;
    if (printKind(print) !== 'file' || printLinks(print) !== 1) return false;
    if (printSize(print) !== size || entry.size > size) return false;
    if ((printMode(print) & ownReadWrite) !== ownReadWrite) return false;
    const alone = openAlone(where, { write: false });
    if (alone === undefined) return false;
    const tells = tellsWhoHasItOpen(where);
    closeSync(alone);
    if (!tells) return false;
    this.#bytes -= written;
    this.#files -= 1;
    return true;
  }
}

/** linux/magic.h: ext2, ext3 and ext4; tmpfs. */
const patchedOn: ReadonlySet<number> = new Set([0xef53, 0x0102_1994]);

/**
 * Whether a lease of the file system says all. Overlayfs does not see who has a file mapped, FUSE not what other machines
 * do; XFS and btrfs share blocks when a file is copied, so that there is nothing to be won.
 */
function tellsWhoHasItOpen(where: NativePath): boolean {
  try {
    return patchedOn.has(statfsSync(where).type);
  } catch (error) {
    // It went in this moment.
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

function hasHoles(content: string): boolean {
  return dataChunkCount(content) < chunkCount(content);
}

/** Opens the file that was taken out of the root by an earlier run of the same op; undefined if that has not come so far. Blocking. */
export function reopenBase(base: NativePath, expect: Print): number | undefined {
  const stats = look(base);
  if (stats === undefined || printInode(printOf(stats)) !== printInode(expect)) return undefined;
  chmodSync(base, ownReadWrite);
  return openSync(base, constants.O_RDWR | constants.O_NOFOLLOW);
}

/** Puts what is staged at `patch` into an open file, durably, and deletes it, unless that was done before. Blocking. */
export function applyPatch(fd: number, patch: NativePath, op: PatchOp): void {
  if (look(patch) === undefined) {
    finish(fd, op);
    return;
  }
  chmodSync(patch, ownReadWrite);
  const from = openSync(patch, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (const { offset, length } of between(op.kept, op.size))
      if (!copyRange(from, offset, fd, offset, length)) throw endsEarly(patch, offset + length);
  } finally {
    closeSync(from);
  }
  finish(fd, op);
  unlinkSync(patch);
}

/**
 * Fills what is staged at `patch` with the rest, from the file that it was to be put into. False if that is not, or does not
 * stay, what its print says. Can be run again. Blocking; takes as much room as the file.
 */
export function completePatch(patch: NativePath, file: NativePath, op: PatchOp): boolean {
  const from = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const isExpected = (): boolean => printOf(fstatSync(from, { bigint: true })) === op.expect;
    if (!isExpected()) return false;
    chmodSync(patch, ownReadWrite);
    const fd = openSync(patch, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      for (const { offset, length } of op.kept) if (!copyRange(from, offset, fd, offset, length)) return false;
      finish(fd, op);
    } finally {
      closeSync(fd);
    }
    return isExpected();
  } finally {
    closeSync(from);
  }
}

function finish(fd: number, { size, mode, mtimeSec, mtimeNsec }: PatchOp): void {
  ftruncateSync(fd, size);
  fchmodSync(fd, mode);
  setFdMtime(fd, mtimeSec, mtimeNsec);
  fsyncSync(fd);
}

/** What was staged is not there any more: a broken disk, for the whole switch. */
function endsEarly(patch: NativePath, bytes: number): Error {
  return Object.assign(new Error(`${patch.toString()} ends before ${bytes} bytes`), { code: 'EIO' });
}

/** What is not in `extents`, which ascend. */
function* between(extents: readonly Extent[], size: number): Generator<Extent, void, void> {
  let at = 0;
  for (const { offset, length } of extents) {
    if (offset > at) yield { offset: at, length: offset - at };
    at = offset + length;
  }
  if (size > at) yield { offset: at, length: size - at };
}
