/**
 * The door to libc for what Node lacks. `koffi.node` is loaded by itself, without its JavaScript wrapper: beside the
 * bundle on a node, from its npm package on the user's machine. Where it cannot be loaded every function here has a
 * stated, weaker way, and `libcLoaded()` says so, so that callers can tell the user.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, futimesSync, lutimesSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type NativePath } from '../base/root-path.ts';

type NativeFunction = (...args: readonly (number | bigint | Buffer | null)[]) => number | bigint;

interface Koffi {
  load(path: string | null): { func(prototype: string): NativeFunction };
  errno(): number;
}

export interface Libc {
  readonly koffi: Koffi;
  readonly utimensat: NativeFunction;
  readonly futimens: NativeFunction;
  readonly syncfs: NativeFunction;
  readonly flock: NativeFunction;
  readonly fcntl: NativeFunction;
  readonly renameat2: NativeFunction;
  readonly lseek: NativeFunction;
  readonly read: NativeFunction;
  readonly mallocTrim: NativeFunction | undefined;
  readonly mallopt: NativeFunction | undefined;
  readonly copyFileRange: NativeFunction | undefined;
  readonly statx: NativeFunction | undefined;
  readonly inotifyInit: NativeFunction;
  readonly inotifyAddWatch: NativeFunction;
  readonly inotifyRemoveWatch: NativeFunction;
}

let loaded: Libc | undefined | null;

/** For the files of this folder. */
export function libc(): Libc | undefined {
  if (loaded === undefined) loaded = loadLibc() ?? null;
  return loaded ?? undefined;
}

function loadLibc(): Libc | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const file = nativeFile();
    if (file === undefined) return undefined;
    const holder: { exports: Koffi | Record<string, never> } = { exports: {} };
    process.dlopen(holder, file);
    const koffi = holder.exports;
    if (!isKoffi(koffi)) return undefined;
    const lib = koffi.load(null);
    return {
      koffi,
      utimensat: lib.func('int utimensat(int, void*, void*, int)'),
      futimens: lib.func('int futimens(int, void*)'),
      syncfs: lib.func('int syncfs(int)'),
      flock: lib.func('int flock(int, int)'),
      // Of variable arity; Linux passes an int all the same.
      fcntl: lib.func('int fcntl(int, int, int)'),
      renameat2: lib.func('int renameat2(int, void*, int, void*, uint)'),
      lseek: lib.func('int64_t lseek(int, int64_t, int)'),
      read: lib.func('int64_t read(int, void*, size_t)'),
      mallocTrim: optional(() => lib.func('int malloc_trim(size_t)')),
      mallopt: optional(() => lib.func('int mallopt(int, int)')),
      copyFileRange: optional(() => lib.func('int64_t copy_file_range(int, void*, int, void*, size_t, uint)')),
      statx: optional(() => lib.func('int statx(int, void*, int, uint, void*)')),
      inotifyInit: lib.func('int inotify_init1(int)'),
      inotifyAddWatch: lib.func('int inotify_add_watch(int, void*, uint32_t)'),
      inotifyRemoveWatch: lib.func('int inotify_rm_watch(int, int)'),
    };
  } catch {
    // No native file for this platform, or one that does not load (musl): every caller has its weaker way.
    return undefined;
  }
}

/** For what only glibc has. */
function optional<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

function isKoffi(native: Koffi | Record<string, never>): native is Koffi {
  return typeof native['load'] === 'function' && typeof native['errno'] === 'function';
}

/** Path of `koffi.node`: beside this bundle, else in the package for this platform; undefined if there is none. */
export function nativeFile(): string | undefined {
  const beside = fileURLToPath(new URL('koffi.node', import.meta.url));
  if (existsSync(beside)) return beside;
  try {
    return createRequire(import.meta.url).resolve(
      `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`,
    );
  } catch {
    return undefined;
  }
}

export function libcLoaded(): boolean {
  return libc() !== undefined;
}

const atFdcwd = -100;
const atSymlinkNofollow = 0x100;
const utimeOmit = 0x3fff_fffen;
/** Two of struct timespec; the first is left as it is on the disk. */
const times = Buffer.alloc(32);
times.writeBigInt64LE(utimeOmit, 8);
const timeWords = new Int32Array(times.buffer, times.byteOffset, 8);
const two32 = 0x1_0000_0000;

function fillTimes(sec: number, nsec: number): Buffer {
  timeWords[4] = sec;
  timeWords[5] = Math.floor(sec / two32);
  timeWords[6] = nsec;
  return times;
}

export function cPath(path: NativePath): Buffer {
  return typeof path === 'string' ? Buffer.from(`${path}\0`, 'latin1') : Buffer.concat([path, Buffer.of(0)]);
}

/** Sets a path's own mtime (a symlink's, not its target's) to the nanosecond; to the microsecond without libc. Blocking. */
export function setPathMtime(path: NativePath, sec: number, nsec: number): void {
  const c = libc();
  if (c === undefined) {
    lutimesSync(path, sec + nsec / 1e9, sec + nsec / 1e9);
    return;
  }
  if (c.utimensat(atFdcwd, cPath(path), fillTimes(sec, nsec), atSymlinkNofollow) !== 0)
    throw systemError(c, 'utimensat', path);
}

/** Sets an open file's mtime to the nanosecond; to the microsecond without libc. Blocking. */
export function setFdMtime(fd: number, sec: number, nsec: number): void {
  const c = libc();
  if (c === undefined) {
    futimesSync(fd, sec + nsec / 1e9, sec + nsec / 1e9);
    return;
  }
  if (c.futimens(fd, fillTimes(sec, nsec)) !== 0) throw systemError(c, 'futimens');
}

/** Writes everything of the file system that `fd` (opened from `path`) is on to the disk. Blocking, may take seconds. */
export function syncFileSystem(fd: number, path: string): void {
  const c = libc();
  if (c === undefined) execFileSync('sync', ['-f', '--', path]);
  else if (c.syncfs(fd) !== 0) throw systemError(c, 'syncfs');
}

const lockExclusiveNonBlocking = 2 | 4;

/** Takes an exclusive lock on an open file; false if another process holds it; undefined without libc. Never blocks. */
export function tryLock(fd: number): boolean | undefined {
  const c = libc();
  return c === undefined ? undefined : c.flock(fd, lockExclusiveNonBlocking) === 0;
}

const renameNoReplace = 1;

/**
 * Renames `from` to `to` only if nothing is there. Returns 'exists' when something is, 'unsupported' where libc or the
 * file system cannot do it in one step; throws on any other failure. Blocking.
 */
export function renameNoReplaceSync(from: NativePath, to: NativePath): 'renamed' | 'exists' | 'unsupported' {
  const c = libc();
  if (c === undefined) return 'unsupported';
  if (c.renameat2(atFdcwd, cPath(from), atFdcwd, cPath(to), renameNoReplace) === 0) return 'renamed';
  const errno = c.koffi.errno();
  if (errno === 17) return 'exists';
  if (errno === 22 || errno === 38) return 'unsupported';
  throw systemError(c, 'renameat2', to);
}

/**
 * Gives memory that was freed back to the system, which glibc does not do by itself once other memory lies above it.
 * Blocking, some milliseconds; nothing where there is no such call.
 */
export function trimMemory(): void {
  libc()?.mallocTrim?.(0n);
}

const arenaMax = -8;
const mmapThreshold = -3;
const trimThreshold = -1;

/**
 * For programs that rest most of their time, before they begin threads. glibc gives every thread memory of its own: two
 * such places are enough. What was freed is used again, if it was at most `reusedBytes` long, and the rest of it given back
 * from `keptBytes` on; all of it when the agent comes to rest (`trimMemory`). By itself, glibc takes each large
 * piece from the system and gives it back, and on a virtual machine a page that comes anew costs more than what is done
 * with it: 8 packs of 4 MiB, compressed, took 0.97 s instead of 0.53. Nothing where there is no such call.
 */
export function reuseMemory({
  reusedBytes,
  keptBytes,
}: {
  readonly reusedBytes: number;
  readonly keptBytes: number;
}): void {
  const c = libc();
  c?.mallopt?.(arenaMax, 2);
  c?.mallopt?.(mmapThreshold, reusedBytes);
  c?.mallopt?.(trimThreshold, keptBytes);
}

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

const seekData = 3;
const seekHole = 4;
const enxio = 6;

/** The ranges of an open file of `size` bytes that hold data, in order; undefined without libc. Blocking. */
export function dataExtents(fd: number, size: number): Extent[] | undefined {
  const c = libc();
  if (c === undefined) return undefined;
  const extents: Extent[] = [];
  let at = 0;
  while (at < size) {
    const start = Number(c.lseek(fd, BigInt(at), seekData));
    if (start < 0) {
      if (c.koffi.errno() === enxio) break;
      throw systemError(c, 'lseek');
    }
    const end = Math.min(Number(c.lseek(fd, BigInt(start), seekHole)), size);
    if (start >= size || end <= start) break;
    extents.push({ offset: start, length: end - start });
    at = end;
  }
  return extents;
}

const errnoNames: ReadonlyMap<number, string> = new Map([
  [1, 'EPERM'],
  [2, 'ENOENT'],
  [5, 'EIO'],
  [9, 'EBADF'],
  [13, 'EACCES'],
  [18, 'EXDEV'],
  [20, 'ENOTDIR'],
  [21, 'EISDIR'],
  [28, 'ENOSPC'],
  [30, 'EROFS'],
  [36, 'ENAMETOOLONG'],
  [39, 'ENOTEMPTY'],
  [40, 'ELOOP'],
  [122, 'EDQUOT'],
]);

export function systemError(c: Libc, call: string, path?: NativePath): Error {
  const errno = c.koffi.errno();
  const code = errnoNames.get(errno) ?? `E${errno}`;
  return Object.assign(new Error(`${code}: ${call}${path === undefined ? '' : ` '${path.toString()}'`}`), {
    code,
    errno,
    syscall: call,
  });
}
