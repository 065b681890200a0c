import { closeSync, constants, openSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { type NativePath } from '../base/root-path.ts';
import { libc } from './libc.ts';

const setSignal = 10;
const setLease = 1024;
const writeLease = 1;
/** SIGURG, which nobody minds: what comes by itself when somebody else opens the file, SIGIO, ends a process. */
const harmless = 23;

/** For how long `openAlone` can be relied on: the system takes a lease away from who keeps others waiting, after 45 s unless it is told otherwise. */
export const leaseLastsMs = 4000;

/** What `open` answers for a file that is not to be had so. */
const refused: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ETXTBSY', 'EAGAIN', 'ENOENT', 'ELOOP']);

/**
 * Opens a file, to be read or also written, that nobody else has open or mapped; whoever opens it from now on waits until it
 * is closed here, 45 s at most, or gets EAGAIN if he does not wait (fcntl(2), F_SETLEASE). Undefined if somebody has it open, or
 * that is not told: without libc, by a file system that gives no leases, of somebody else's file. What a lease is worth on a
 * file system, its caller knows. Blocking.
 */
export function openAlone(path: NativePath, { write }: { readonly write: boolean }): number | undefined {
  const c = libc();
  if (c === undefined) return undefined;
  const fd = openUnlessRefused(path, write ? constants.O_RDWR : constants.O_RDONLY);
  if (fd === undefined) return undefined;
  // To give a lease up forgets the signal, so it is named each time.
  if (c.fcntl(fd, setSignal, harmless) === 0 && c.fcntl(fd, setLease, writeLease) === 0) return fd;
  closeSync(fd);
  return undefined;
}

function openUnlessRefused(path: NativePath, flags: number): number | undefined {
  try {
    return openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (refused.has(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
