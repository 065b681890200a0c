import { statWords } from '../../libc/lstat-words.ts';
import { keepsDirectoryTimes } from '../watch/directory-times.ts';
import { localGrain } from './grain.ts';
import { dirStampWords } from './listing.ts';
import type { RecordStack } from './record-stack.ts';

/**
 * What tells that no name came to a directory and none went: its times, inode and device. Taken *before* its names are
 * read, and only if its ctime is older than a tick of the clock by then, for what happens later in the same tick leaves it
 * as it is. Renaming a directory leaves what is in it alone, and its stamp with it; what is mounted there has another.
 */
export class DirectoryStamps {
  readonly #keptByDevice = new Map<string, boolean>();

  /** Of the directory at `path` (absolute, latin1-held), put into `stamp`; false if it proves nothing. Blocking. */
  take(records: RecordStack, path: string, stamp: Uint32Array): boolean {
    if (!readStamp(records, path, stamp)) return false;
    const ctime = joined(stamp, ctimeWord);
    return BigInt(Date.now()) * 1_000_000n - ctime > localGrain(ctime) && this.#kept(stamp, path);
  }

  #kept(stamp: Uint32Array, path: string): boolean {
    const device = `${stamp[deviceWord]} ${stamp[deviceWord + 1]}`;
    const known = this.#keptByDevice.get(device);
    if (known !== undefined) return known;
    const kept = keepsDirectoryTimes(path);
    this.#keptByDevice.set(device, kept);
    return kept;
  }
}

const ctimeWord = statWords.ctime - statWords.mtime;
const deviceWord = statWords.dev - statWords.mtime;

/** What the stamp of the directory at `path` is now, old enough or not; false if there is no directory. Blocking. */
export function readStamp(records: RecordStack, path: string, stamp: Uint32Array): boolean {
  if (records.lookQuietly(path) !== 'dir') return false;
  stamp.set(records.looked(statWords.mtime, dirStampWords));
  return true;
}

function joined(words: Uint32Array, at: number): bigint {
  return (BigInt((words[at + 1] ?? 0) | 0) << 32n) | BigInt(words[at] ?? 0);
}
