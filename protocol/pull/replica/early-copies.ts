/**
 * Large files that are begun while their source still reads them: what they have of a file of the root is copied, range by
 * range, to where it is said to be, into `early` in the stage. The delta then says what is right of it; the rest is
 * written over, for the file has no holes. Only the thread that began them takes them up; what no pull takes is deleted.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, renameSync, statfsSync } from 'node:fs';
import { errnoOf, TowError } from '../../base/errors.ts';
import { absolutePath, type NativePath, nativePath, type RootPath } from '../../base/root-path.ts';
import type { Digest } from '../../chunk/digest.ts';
import { copyRange } from '../../libc/copy-range.ts';
import { type CopiedRange, without } from './copied-ranges.ts';
import { resolveDestination } from './destination.ts';
import { openForReading } from './file-content.ts';
import type { AdvanceOptions } from './files-in-advance.ts';
import { type Ledger, ledgerItem } from './ledger.ts';
import { look, noPrint, type Print, printAt, printCtimeNs } from './print.ts';
import { removeStaged } from './remove-staged.ts';
import { discardEarly, earlyName, stageDirectory } from './stage-directory.ts';

/** What of a file of the root is to be copied to where, in one that is to be. */
export interface EarlyCall {
  readonly root: AdvanceOptions;
  /** What the root is taken to be. */
  readonly base: Digest;
  readonly path: RootPath;
  /** Path of the file of the root. */
  readonly from: RootPath;
  /** Bytes that the new file will have. */
  readonly size: number;
  /** From, to, length, … in bytes. */
  readonly ranges: readonly number[];
}

/** Files begun at one time, and ranges that are remembered of each. */
const maxFiles = 4;
const maxRanges = 4096;
/** Of the file system, left for others: nobody has asked yet whether there is room. */
const leftFree = 0.1;

export class EarlyCopies {
  readonly #files = new Map<RootPath, EarlyFile>();
  #stage: string | undefined;
  /** Files begun so far: each has a name of its own. */
  #begun = 0;

  /**
   * Copies ranges, and says whether more of that file are of use: not if the root, or the file in it, is not what the caller takes it for, or
   * there is no room. Throws `bad-message` for ranges that lie outside of the files. Blocking.
   */
  copy(ledger: Ledger | undefined, call: EarlyCall): boolean {
    if (ledger?.digest !== call.base) return false;
    const file = this.#files.get(call.path) ?? this.#begin(ledger, call);
    if (file === undefined || file.former !== call.from) return false;
    if (this.#hasRoom(call.ranges) && file.copy(call)) return true;
    this.#forget(call.path, file);
    return false;
  }

  #begin(ledger: Ledger, { root, path, from }: EarlyCall): EarlyFile | undefined {
    if (this.#files.size >= maxFiles) return undefined;
    const item = ledgerItem(ledger, from);
    if (item?.entry.kind !== 'file' || item.print === noPrint || printCtimeNs(item.print) >= ledger.settledNs) return;
    const where = resolveDestination(root.dest, root.rules);
    if (printAt(from === '' ? where : `${where}/${from}`) !== item.print) return undefined;
    this.#stage ??= stageDirectory(Buffer.from(root.stateDir).toString('latin1'), where, root.key);
    if (this.#begun === 0) discardEarly(this.#stage);
    const directory = `${this.#stage}/${earlyName}`;
    mkdirSync(nativePath(directory), { recursive: true, mode: 0o700 });
    const target = nativePath(`${directory}/${this.#begun++}`);
    const file = EarlyFile.begin({ path: from, where: absolutePath(where, from), ...item }, target);
    if (file !== undefined) this.#files.set(path, file);
    return file;
  }

  #hasRoom(ranges: readonly number[]): boolean {
    let bytes = 0;
    for (let at = 2; at < ranges.length; at += 3) bytes += ranges[at] ?? 0;
    const { bavail, blocks, bsize } = statfsSync(nativePath(`${this.#stage ?? ''}/${earlyName}`));
    return (bavail - leftFree * blocks) * bsize >= bytes;
  }

  /** Whether there is anything in the stage. */
  get hasBegun(): boolean {
    return this.#begun > 0;
  }

  /** Nothing more comes: nobody is to find the files of the root open. */
  end(): void {
    for (const file of this.#files.values()) file.close();
  }

  /** Deletes what was begun of any other file. Blocking. */
  keepOnly(paths: ReadonlySet<RootPath>): void {
    for (const [path, file] of this.#files) if (!paths.has(path)) this.#forget(path, file);
  }

  /**
   * Moves what was begun of a file to `to`, where nothing is, if it was made of this former version. Returns what was
   * copied, in order of `to`. Blocking.
   */
  take(path: RootPath, former: { readonly where: NativePath; readonly print: Print }, to: NativePath): CopiedRange[] {
    const file = this.#files.get(path);
    if (file === undefined) return [];
    file.close();
    const fits = file.print === former.print && sameWhere(file.formerWhere, former.where) && look(to) === undefined;
    if (!fits || !file.sound || look(file.where)?.ino !== file.inode) {
      this.#forget(path, file);
      return [];
    }
    this.#files.delete(path);
    try {
      renameSync(file.where, to);
    } catch {
      // The root went, and with it where it is staged for.
      removeStaged(file.where);
      return [];
    }
    return [...file.copied];
  }

  /** Deletes what nobody took. Blocking. */
  drop(): void {
    this.end();
    this.#files.clear();
    if (this.#stage !== undefined) discardEarly(this.#stage);
  }

  #forget(path: RootPath, file: EarlyFile): void {
    this.#files.delete(path);
    file.close();
    removeStaged(file.where);
  }
}

function sameWhere(a: NativePath, b: NativePath): boolean {
  return Buffer.from(a).equals(Buffer.from(b));
}

/** The file of the root that one is begun from. */
interface FormerFile {
  readonly path: RootPath;
  readonly where: NativePath;
  readonly entry: { readonly size: number };
  readonly print: Print;
}

class EarlyFile {
  readonly where: NativePath;
  readonly inode: bigint;
  readonly #former: FormerFile;
  #fds: { readonly former: number; readonly own: number } | undefined;
  #sound = true;
  /** Disjoint, in order of `to`. */
  readonly #copied: CopiedRange[] = [];

  private constructor(former: FormerFile, where: NativePath, fds: { former: number; own: number }) {
    this.#former = former;
    this.where = where;
    this.#fds = fds;
    this.inode = fstatSync(fds.own, { bigint: true }).ino;
  }

  static begin(former: FormerFile, where: NativePath): EarlyFile | undefined {
    const read = openForReading(former.where);
    if (read === undefined) return undefined;
    let own: number | undefined;
    try {
      own = openSync(where, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
      return new EarlyFile(former, where, { former: read, own });
    } catch (error) {
      closeSync(read);
      if (own !== undefined) closeSync(own);
      throw error;
    }
  }

  get former(): RootPath {
    return this.#former.path;
  }

  get formerWhere(): NativePath {
    return this.#former.where;
  }

  get print(): Print {
    return this.#former.print;
  }

  /** Whether all that was written is known to be there. */
  get sound(): boolean {
    return this.#sound;
  }

  get copied(): readonly CopiedRange[] {
    return this.#copied;
  }

  /** False when it is of no use any more: there is no room, the former file is too short, or what is told contradicts itself. */
  copy({ ranges, size }: Pick<EarlyCall, 'ranges' | 'size'>): boolean {
    for (let at = 0; at + 2 < ranges.length; at += 3) {
      const [from = 0, to = 0, length = 0] = ranges.slice(at, at + 3);
      if (from + length > this.#former.entry.size || to + length > size)
        throw new TowError('bad-message', `${length} bytes at ${from} and ${to} of a file of ${size} bytes`);
      // Told twice by a source that read it twice.
      for (const left of without({ from, to, length }, this.#copied)) if (!this.#add(left)) return false;
    }
    return true;
  }

  /** Where something else was copied nothing may go: that would not be there any more. */
  #add({ from, to, length }: CopiedRange): boolean {
    const next = this.#copied.findIndex((range) => range.to + range.length > to);
    const behind = next < 0 ? undefined : this.#copied[next];
    if (behind !== undefined && behind.to < to + length) return false;
    if (this.#fds === undefined || !this.#write(this.#fds, { from, to, length })) return false;
    const place = next < 0 ? this.#copied.length : next;
    const before = this.#copied[place - 1];
    const goesOn = before !== undefined && before.to + before.length === to && before.from + before.length === from;
    if (goesOn) before.length += length;
    else this.#copied.splice(place, 0, { from, to, length });
    return this.#copied.length <= maxRanges;
  }

  #write(fds: { readonly former: number; readonly own: number }, { from, to, length }: CopiedRange): boolean {
    try {
      return copyRange(fds.former, from, fds.own, to, length);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'ENOSPC' && errno !== 'EDQUOT') throw error;
      return false;
    }
  }

  /** Once or more. */
  close(): void {
    const fds = this.#fds;
    if (fds === undefined) return;
    this.#fds = undefined;
    for (const fd of [fds.former, fds.own]) {
      try {
        closeSync(fd);
      } catch {
        // Some file systems say only now that there was no room.
        this.#sound = false;
      }
    }
  }
}
