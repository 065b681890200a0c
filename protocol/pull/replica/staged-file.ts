import { closeSync, constants, fchmodSync, ftruncateSync, openSync, symlinkSync, unlinkSync } from 'node:fs';
import { type NativePath, nativePath } from '../../base/root-path.ts';
import { digestOf } from '../../chunk/digest.ts';
import { chunkCount, chunkDigest, chunkLength, type Entry, isHole } from '../../chunk/entry.ts';
import { copyRange } from '../../libc/copy-range.ts';
import { setFdMtime, setPathMtime } from '../../libc/libc.ts';
import { writeAll } from './durable-file.ts';
import { fileHolds, openForReading, rangeIsZero, readRange } from './file-content.ts';
import { sameMeta } from './observe.ts';
import { look } from './print.ts';
import { removeStaged } from './remove-staged.ts';

/** What is new of a file that is to be patched lies under the file's own name in the stage and this. */
export const patchSuffix = '-patch';

/**
 * A file on its way: written chunk by chunk in any order, then given its mode and, last of all, its mtime. So one whose
 * size, mode and mtime are right was finished, as long as the machine has not rebooted since (and for that manifest: `Stage.trusted`).
 */
export class StagedFile {
  readonly entry: Entry;
  readonly where: NativePath;
  #missing: number;
  #fd: number | undefined;
  /** Nothing was at its place. */
  #fresh = false;

  constructor(where: NativePath, entry: Entry) {
    this.where = where;
    this.entry = entry;
    this.#missing = 0;
  }

  /** Where what is new of it is staged, if it is to be patched. */
  get patch(): StagedFile {
    return new StagedFile(nativePath(`${this.where.toString('latin1')}${patchSuffix}`), this.entry);
  }

  /** Begins a file where there is nothing. Returns the indexes of its data chunks; none when it is finished now. Blocking. */
  begin(): number[] {
    this.#fresh = true;
    return this.#want(false);
  }

  /**
   * Takes up what an earlier pull left at this place. Returns the indexes of the data chunks still to be written; none
   * when the file is finished now. `trust` is whether one that looks finished is (`Stage.trusted`); one that is not does not
   * look so any more afterwards. Blocking.
   */
  resume(trust: boolean): number[] {
    const stats = look(this.where);
    this.#fresh = stats === undefined;
    const complete = stats?.isFile() === true && stats.size === BigInt(this.entry.size) && sameMeta(stats, this.entry);
    if (complete && trust) return [];
    // Looked at first as it is: one that is finished may not be writable.
    const readable = complete && stats.nlink === 1n && (stats.mode & 0o400n) !== 0n;
    if (readable && fileHolds(this.where, this.entry)) return [];
    // A second name (of an earlier snapshot's hard link) would change along.
    const usable = stats?.isFile() === true && stats.nlink === 1n && (stats.mode & 0o600n) === 0o600n;
    if (!usable) removeStaged(this.where);
    const wanted = this.#want(usable);
    const { mtimeSec, mtimeNsec } = this.entry;
    if (complete && usable && wanted.length > 0 && look(this.where) !== undefined)
      setPathMtime(this.where, mtimeSec + 1, mtimeNsec);
    return wanted;
  }

  #want(exists: boolean): number[] {
    const wanted = this.#chunksNotThere(exists);
    this.#missing = wanted.length;
    if (wanted.length === 0) {
      this.#open();
      this.#finish();
    }
    return wanted;
  }

  /** Writes one chunk; finishes the file when it was the last. Returns whether it was. Blocking. */
  write(bytes: Uint8Array, offset: number): boolean {
    if (this.#fresh && bytes.length === this.entry.size) {
      writeWholeFile(this.where, bytes, this.entry);
      this.#fresh = false;
      this.#missing = 0;
      return true;
    }
    writeAll(this.#open(), bytes, offset);
    return this.landed();
  }

  /** Copies a range of an open file to `to`; false when that file ends before. What it is worth, `landed` says later. Blocking. */
  copyFrom(fd: number, from: number, to: number, length: number): boolean {
    return copyRange(fd, from, this.#open(), to, length);
  }

  /** More chunks are in their places; finishes the file when they were the last. Returns whether they were. Blocking. */
  landed(chunks = 1): boolean {
    this.#missing -= chunks;
    if (this.#missing > 0) return false;
    this.#finish();
    return true;
  }

  /** Lets go of the open file, finished or not. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = openSync(this.where, flags, 0o600);
    this.#fd = fd;
    this.#fresh = false;
    return fd;
  }

  #finish(): void {
    const fd = this.#open();
    ftruncateSync(fd, this.entry.size);
    fchmodSync(fd, this.entry.mode);
    setFdMtime(fd, this.entry.mtimeSec, this.entry.mtimeNsec);
    this.close();
  }

  #chunksNotThere(exists: boolean): number[] {
    const { content } = this.entry;
    const fd = exists ? openForReading(this.where) : undefined;
    if (exists && fd === undefined) unlinkSync(this.where);
    const wanted: number[] = [];
    let offset = 0;
    let holes = true;
    for (let at = 0; at < chunkCount(content); at += 1) {
      const length = chunkLength(content, at);
      if (isHole(content, at)) holes &&= fd === undefined || rangeIsZero(fd, offset, length);
      else if (!holds(fd, offset, length, chunkDigest(content, at))) wanted.push(at);
      offset += length;
    }
    if (fd === undefined) return wanted;
    closeSync(fd);
    if (holes) return wanted;
    // What an earlier snapshot wrote where this one has a hole must not show through.
    unlinkSync(this.where);
    return this.#chunksNotThere(false);
  }
}

/** Makes a file that is finished at once, where there is nothing. Throws EEXIST. Blocking. */
export function writeWholeFile(
  where: NativePath,
  bytes: Uint8Array,
  { mode, mtimeSec, mtimeNsec }: Pick<Entry, 'mode' | 'mtimeSec' | 'mtimeNsec'>,
): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(where, flags, 0o600);
  try {
    writeAll(fd, bytes);
    fchmodSync(fd, mode);
    setFdMtime(fd, mtimeSec, mtimeNsec);
  } finally {
    closeSync(fd);
  }
}

function holds(fd: number | undefined, offset: number, length: number, digest: string): boolean {
  const bytes = fd === undefined ? undefined : readRange(fd, offset, length);
  return bytes !== undefined && digestOf(bytes) === digest;
}

/** Makes a symlink with its mtime in the stage, replacing what an earlier pull left there unless it is `fresh`. Blocking. */
export function stageSymlink(where: NativePath, entry: Entry, fresh: boolean): void {
  if (!fresh) removeStaged(where);
  symlinkSync(Buffer.from(entry.content, 'latin1'), where);
  setPathMtime(where, entry.mtimeSec, entry.mtimeNsec);
}
