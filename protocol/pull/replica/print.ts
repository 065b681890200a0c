import { type BigIntStats, lstatSync } from 'node:fs';
import { type NativePath } from '../../base/root-path.ts';
import { clampNs, joinNsWords } from '../../base/split-ns.ts';
import { kindOfMode, lookInto, type ObjectKind, statsInto, statWords } from '../../libc/lstat-words.ts';

/**
 * A fingerprint: what lstat says of an object, squeezed into a short string. Equal prints mean that nobody touched the
 * object in between (ctime cannot be set back), but for edits within one tick of the clock, which `Ledger.settledNs`
 * covers. '' is the print of nothing and equals no object's.
 */
export type Print = string;

export const noPrint: Print = '';

/** Expected where our object was changed on the node: no object has this print, so whatever is there is kept. */
export const changedPrint: Print = 'changed';

const two32 = 2 ** 32;
const words = new Uint32Array(statWords.count);
const scratch = new Uint32Array(11);
const text = Buffer.from(scratch.buffer);

export function printOf(stats: BigIntStats): Print {
  statsInto(words, 0, stats);
  return printOfWords();
}

/** The print of what is at a path (absolute, latin1-held), without an object for it; undefined as `look` is. Blocking. */
export function printAt(path: string): Print | undefined {
  return lookInto(words, 0, path) ? printOfWords() : undefined;
}

function printOfWords(): Print {
  scratch[0] = words[statWords.ctime] ?? 0;
  scratch[1] = words[statWords.ctime + 1] ?? 0;
  scratch[2] = words[statWords.ino] ?? 0;
  scratch[3] = words[statWords.ino + 1] ?? 0;
  scratch[4] = words[statWords.mtime] ?? 0;
  scratch[5] = words[statWords.mtime + 1] ?? 0;
  scratch[6] = words[statWords.size] ?? 0;
  scratch[7] = words[statWords.size + 1] ?? 0;
  scratch[8] = words[statWords.mode] ?? 0;
  // A link made within the tick of the last change leaves no other trace.
  scratch[10] = words[statWords.links] ?? 0;
  return text.toString('latin1');
}

/** The ctime inside a print, in nanoseconds since the epoch. */
export function printCtimeNs(print: Print): bigint {
  return BigInt.asIntN(64, (BigInt(wordIn(print, 4)) << 32n) | BigInt(wordIn(print, 0)));
}

/** The inode inside a print. */
export function printInode(print: Print): string {
  return print.slice(8, 16);
}

/** What of a print shows that a file was written to: mtime and size. */
export function printVersion(print: Print): string {
  return print.slice(16, 32);
}

/** What of a print a rename leaves as it is: inode, mtime and size. */
export function printIdentity(print: Print): string {
  return print.slice(8, 32);
}

/** What kind of object has a print. */
export function printKind(print: Print): ObjectKind {
  return kindOfMode(printMode(print));
}

/** The size inside a print, in bytes. */
export function printSize(print: Print): number {
  return wordIn(print, 24) + wordIn(print, 28) * two32;
}

/** Whether the mtime inside a print is one that was set, as far as the file system keeps it. */
export function printHasMtime(print: Print, sec: number, nsec: number): boolean {
  const [low, high] = [wordIn(print, 16), wordIn(print, 20)];
  if (sec >= 0 && sec < two32) {
    joinNsWords(words, 0, sec, nsec);
    if (words[0] === low && words[1] === high) return true;
  }
  const kept = BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
  const off = kept - clampNs(BigInt(sec) * 1_000_000_000n + BigInt(nsec));
  return (off < 0n ? -off : off) <= grainOf(kept);
}

/** By how much a file system that kept this time may be off: FAT by two seconds, NTFS by 100 ns, Node without libc by a microsecond and what its floating point adds. */
function grainOf(ns: bigint): bigint {
  if (ns % 1_000_000_000n === 0n) return 2_000_000_000n;
  return ns % 100n === 0n ? 2000n : 0n;
}

/** The mode inside a print, with the bits of the kind. */
export function printMode(print: Print): number {
  return wordIn(print, 32);
}

/** The number of names inside a print. */
export function printLinks(print: Print): number {
  return wordIn(print, 40);
}

function wordIn(print: Print, at: number): number {
  const high = (print.charCodeAt(at + 2) | (print.charCodeAt(at + 3) << 8)) << 16;
  return (print.charCodeAt(at) | (print.charCodeAt(at + 1) << 8) | high) >>> 0;
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
export function kindOf(stats: BigIntStats): ObjectKind {
  return kindOfMode(Number(stats.mode));
}
