/**
 * lstat(2) and fstat(2) without an object, eighteen integers and four dates for each file: what is asked lands as words of 32
 * bits in memory of the caller's. By statx(2), straight from libc; by Node's own where that is not to be had, for the same
 * words. Little-endian, as all that Towline runs on is.
 */
import { type BigIntStats, fstatSync, lstatSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { nativePath } from '../base/root-path.ts';
import { clampNs, joinNsWords } from '../base/split-ns.ts';
import { type Libc, libc } from './libc.ts';

/** Where the fields are; those of 64 bits have their low word first. Times are ns since 1970, signed. */
export const statWords = { mode: 0, links: 1, mtime: 2, ctime: 4, ino: 6, size: 8, dev: 10, count: 12 } as const;

/** Fills `count` words from `at`. `path` is latin1-held. Throws as `lstatSync`. Blocking. */
export function lstatInto(words: Uint32Array, at: number, path: string): void {
  const c = usable();
  if (c !== undefined && askPath(c, path) === 0) writeAnswer(words, at);
  else statsInto(words, at, lstatSync(nativePath(path), { bigint: true }));
}

const enoent = 2;
const enotdir = 20;

/** As `lstatInto`, for paths where nothing may be: false if so, or if a component is no directory. Blocking. */
export function lookInto(words: Uint32Array, at: number, path: string): boolean {
  const c = usable();
  if (c !== undefined) {
    const errno = askPath(c, path);
    if (errno === 0) writeAnswer(words, at);
    if (errno === 0 || errno === enoent || errno === enotdir) return errno === 0;
  }
  try {
    const stats = lstatSync(nativePath(path), { bigint: true, throwIfNoEntry: false });
    if (stats !== undefined) statsInto(words, at, stats);
    return stats !== undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** Looks at names in one directory after the other, without a string for each. */
export class NamesBelow {
  readonly #path = Buffer.alloc(maxPathBytes);
  #directory = '';
  #length = 0;

  /** `directory` is absolute and latin1-held. */
  enter(directory: string): void {
    this.#directory = directory;
    this.#length = directory.length < maxPathBytes ? this.#path.write(`${directory}/`, 'latin1') : maxPathBytes;
  }

  /** As `lookInto`, at the name in these bytes. */
  look(words: Uint32Array, at: number, names: Buffer, from: number, to: number): boolean {
    const c = usable();
    const end = this.#length + to - from;
    if (c !== undefined && end < maxPathBytes) {
      names.copy(this.#path, this.#length, from, to);
      this.#path[end] = 0;
      const errno = ask(c, this.#path);
      if (errno === 0) writeAnswer(words, at);
      if (errno === 0 || errno === enoent || errno === enotdir) return errno === 0;
    }
    return lookInto(words, at, `${this.#directory}/${names.toString('latin1', from, to)}`);
  }
}

/** Where `fstatInto` has the blocks of 512 bytes that a file takes, and how much it writes in all. */
export const openWords = { blocks: statWords.count, count: statWords.count + 2 } as const;

/** Fills `openWords.count` words from `at` with what an open file is. Throws as `fstatSync`. Blocking. */
export function fstatInto(words: Uint32Array, at: number, fd: number): void {
  const c = usable();
  if (c?.statx?.(fd, emptyPath, atEmptyPath, basicStats, answer) === 0) {
    writeAnswer(words, at);
    words[at + openWords.blocks] = answered[statx.blocks] ?? 0;
    words[at + openWords.blocks + 1] = answered[statx.blocks + 1] ?? 0;
    return;
  }
  const stats = fstatSync(fd, { bigint: true });
  statsInto(words, at, stats);
  writeBigInt(words, at + openWords.blocks, stats.blocks);
}

/** linux/stat.h, struct statx: offsets in words. */
const statx = {
  links: 4,
  mode: 7,
  ino: 8,
  size: 10,
  blocks: 12,
  ctime: 24,
  mtime: 28,
  devMajor: 34,
  devMinor: 35,
  bytes: 256,
} as const;
const nsecWords = 2;
const answer = Buffer.alloc(statx.bytes);
const answered = new Uint32Array(answer.buffer, answer.byteOffset, statx.bytes / 4);
const maxPathBytes = 4096;
const pathBytes = Buffer.alloc(maxPathBytes);

const atFdcwd = -100;
const atSymlinkNofollow = 0x100;
const atEmptyPath = 0x1000;
const emptyPath = Buffer.alloc(1);
/** STATX_BASIC_STATS. */
const basicStats = 0x7ff;

let checked: Libc | undefined | null;

/** Libc, where its statx answers: an old kernel, or a container's filter, may know none. */
function usable(): Libc | undefined {
  if (checked === undefined) {
    const c = libc();
    checked = c?.statx !== undefined && askPath(c, '/') === 0 ? c : null;
  }
  return checked ?? undefined;
}

/** The error that came of it: 0 for none, -1 for one of which Node is to say what it is. */
function askPath(c: Libc, path: string): number {
  if (path.length >= maxPathBytes) return -1;
  pathBytes[pathBytes.write(path, 'latin1')] = 0;
  return ask(c, pathBytes);
}

/** The same of a path that ends with a zero. */
function ask({ statx: call, koffi }: Libc, path: Buffer): number {
  return call?.(atFdcwd, path, atSymlinkNofollow, basicStats, answer) === 0 ? 0 : koffi.errno();
}

function writeAnswer(words: Uint32Array, at: number): void {
  words[at + statWords.mode] = (answered[statx.mode] ?? 0) & 0xffff;
  words[at + statWords.links] = answered[statx.links] ?? 0;
  writeTime(words, at + statWords.mtime, statx.mtime);
  writeTime(words, at + statWords.ctime, statx.ctime);
  words[at + statWords.ino] = answered[statx.ino] ?? 0;
  words[at + statWords.ino + 1] = answered[statx.ino + 1] ?? 0;
  words[at + statWords.size] = answered[statx.size] ?? 0;
  words[at + statWords.size + 1] = answered[statx.size + 1] ?? 0;
  // As makedev(3) has it.
  const major = answered[statx.devMajor] ?? 0;
  const minor = answered[statx.devMinor] ?? 0;
  words[at + statWords.dev] = (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12);
  words[at + statWords.dev + 1] = (major & 0xffff_f000) | (minor >>> 20);
}

/** Seconds (64 bits, signed) and nanoseconds as ns; without a BigInt for a file of our time. */
function writeTime(words: Uint32Array, to: number, from: number): void {
  const low = answered[from] ?? 0;
  const high = answered[from + 1] ?? 0;
  const nsec = answered[from + nsecWords] ?? 0;
  if (high === 0) {
    joinNsWords(words, to, low, nsec);
    return;
  }
  const sec = (BigInt(high | 0) << 32n) | BigInt(low);
  writeNs(words, to, sec * 1_000_000_000n + BigInt(nsec));
}

/** The same words from Node's own object. */
export function statsInto(
  words: Uint32Array,
  at: number,
  { mode, nlink, mtimeNs, ctimeNs, ino, size, dev }: BigIntStats,
): void {
  words[at + statWords.mode] = Number(mode);
  words[at + statWords.links] = Number(nlink);
  writeNs(words, at + statWords.mtime, mtimeNs);
  writeNs(words, at + statWords.ctime, ctimeNs);
  writeBigInt(words, at + statWords.ino, ino);
  writeBigInt(words, at + statWords.size, size);
  writeBigInt(words, at + statWords.dev, dev);
}

function writeNs(words: Uint32Array, to: number, ns: bigint): void {
  writeBigInt(words, to, clampNs(ns));
}

function writeBigInt(words: Uint32Array, to: number, value: bigint): void {
  words[to] = Number(BigInt.asUintN(32, value));
  words[to + 1] = Number(BigInt.asUintN(32, value >> 32n));
}

/** What `mode` says an object is; 'other' for sockets, FIFOs and devices. */
export type ObjectKind = 'file' | 'dir' | 'symlink' | 'other';

const typeBits = 0o170000;

export function kindOfMode(mode: number): ObjectKind {
  switch (mode & typeBits) {
    case 0o100000:
      return 'file';
    case 0o040000:
      return 'dir';
    case 0o120000:
      return 'symlink';
    default:
      return 'other';
  }
}
