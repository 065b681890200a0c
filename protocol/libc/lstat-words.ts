/**
 * lstat(2) without an object for each file: what is asked of a path lands as words of 32 bits in memory of the caller's.
 * By statx(2), straight from libc; by Node's `lstatSync` where that is not to be had, for the same words. Little-endian, as
 * all that Towline runs on is.
 */
import { lstatSync } from 'node:fs';
import { nativePath } from '../base/root-path.ts';
import { type Libc, libc } from './libc.ts';

/** Where the fields are; those of 64 bits have their low word first. Times are ns since 1970, signed. */
export const statWords = { mode: 0, links: 1, mtime: 2, ctime: 4, ino: 6, size: 8, dev: 10, count: 12 } as const;

/** Fills `count` words from `at`. `path` is latin1-held. Throws as `lstatSync`. Blocking. */
export function lstatInto(words: Uint32Array, at: number, path: string): void {
  const c = usable();
  if (c === undefined || !byStatx(c, words, at, path)) byNode(words, at, path);
}

/** linux/stat.h, struct statx: offsets in words. */
const statx = {
  links: 4,
  mode: 7,
  ino: 8,
  size: 10,
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
/** STATX_BASIC_STATS. */
const basicStats = 0x7ff;

let checked: Libc | undefined | null;

/** Libc, where its statx answers: an old kernel, or a container's filter, may know none. */
function usable(): Libc | undefined {
  if (checked === undefined) {
    const c = libc();
    checked = c?.statx !== undefined && ask(c, '/') ? c : null;
  }
  return checked ?? undefined;
}

function ask({ statx: call }: Libc, path: string): boolean {
  if (path.length >= maxPathBytes) return false;
  pathBytes[pathBytes.write(path, 'latin1')] = 0;
  return call?.(atFdcwd, pathBytes, atSymlinkNofollow, basicStats, answer) === 0;
}

/** False if it failed, for whatever reason: Node says which. */
function byStatx(c: Libc, words: Uint32Array, at: number, path: string): boolean {
  if (!ask(c, path)) return false;
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
  return true;
}

const nsPerSec = 1_000_000_000;
const two32 = 0x1_0000_0000;

/** Seconds (64 bits, signed) and nanoseconds as ns; without a BigInt for a file of our time. */
function writeTime(words: Uint32Array, to: number, from: number): void {
  const low = answered[from] ?? 0;
  const high = answered[from + 1] ?? 0;
  const nsec = answered[from + nsecWords] ?? 0;
  // Until the year 2106.
  if (high === 0) {
    const lower = (Math.imul(low, nsPerSec) + nsec) >>> 0;
    words[to] = lower;
    // Off by some hundreds in floating point, of a multiple of 2^32.
    words[to + 1] = Math.round((low * nsPerSec + nsec - lower) / two32);
    return;
  }
  const sec = (BigInt(high | 0) << 32n) | BigInt(low);
  writeNs(words, to, sec * 1_000_000_000n + BigInt(nsec));
}

function byNode(words: Uint32Array, at: number, path: string): void {
  const { mode, nlink, mtimeNs, ctimeNs, ino, size, dev } = lstatSync(nativePath(path), { bigint: true });
  words[at + statWords.mode] = Number(mode);
  words[at + statWords.links] = Number(nlink);
  writeNs(words, at + statWords.mtime, mtimeNs);
  writeNs(words, at + statWords.ctime, ctimeNs);
  writeBigInt(words, at + statWords.ino, ino);
  writeBigInt(words, at + statWords.size, size);
  writeBigInt(words, at + statWords.dev, dev);
}

/** Times of file systems that know more than 64 bits of ns have (1677 to 2262) are the last, or first, of those. */
function writeNs(words: Uint32Array, to: number, ns: bigint): void {
  const inRange = BigInt.asIntN(64, ns) === ns;
  writeBigInt(words, to, inRange ? ns : ns < 0n ? -(2n ** 63n) : 2n ** 63n - 1n);
}

function writeBigInt(words: Uint32Array, to: number, value: bigint): void {
  words[to] = Number(BigInt.asUintN(32, value));
  words[to + 1] = Number(BigInt.asUintN(32, value >> 32n));
}
