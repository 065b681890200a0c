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
  unlinkSync,
} from 'node:fs';
import type { NativePath } from '../../base/root-path.ts';
import { chunkCount, dataChunkCount, type Entry } from '../../chunk/entry.ts';
import { copyRange } from '../../libc/copy-range.ts';
import { openAlone } from '../../libc/lease.ts';
import { type Extent, setFdMtime } from '../../libc/libc.ts';
import type { PatchOp } from './op.ts';
import { look, type Print, printInode, printKind, printLinks, printMode, printOf } from './print.ts';

/** A smaller one is copied in milliseconds. */
const fromBytes = 32 << 20;
/** What is written anew at most, in all and as a part of the file: until it is written, the file is not at its place. */
const mostWritten = 16 << 20;
const mostPart = 0.25;
const ownReadWrite = 0o600;

/** What of a file is to be its next version: `content` was its chunk list, `print` is what it is. */
export interface Patched {
  readonly where: NativePath;
  readonly print: Print;
  readonly content: string;
}

/**
 * Whether the next version of a file is to be made by patching it: it has one name and no holes, may be written, nobody has
 * it open, and `kept`, what stays where it is, is nearly all of it. Blocking.
 */
export function isToBePatched({ where, print, content }: Patched, entry: Entry, kept: readonly Extent[]): boolean {
  const written = entry.size - kept.reduce((sum, { length }) => sum + length, 0);
  if (entry.size < fromBytes || written > Math.min(mostWritten, mostPart * entry.size)) return false;
  if (hasHoles(entry.content) || hasHoles(content)) return false;
  if (printKind(print) !== 'file' || printLinks(print) !== 1) return false;
  if ((printMode(print) & ownReadWrite) !== ownReadWrite) return false;
  const alone = openAlone(where, { write: false });
  if (alone !== undefined) closeSync(alone);
  return alone !== undefined;
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
    for (const { offset, length } of between(op.kept, op.size)) copyAll(from, fd, offset, length);
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
      for (const { offset, length } of op.kept) copyAll(from, fd, offset, length);
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

function copyAll(from: number, to: number, offset: number, length: number): void {
  if (!copyRange(from, offset, to, offset, length))
    throw Object.assign(new Error(`a file ends before ${offset + length} bytes`), { code: 'EIO' });
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
