/** Puts staged objects in place, in batches, and takes away what the bucket no longer has. All methods block. */
import { chmodSync, mkdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { errnoOf, type Problem, toTowError } from '../../protocol/base/errors.ts';
import { absolutePath, bytesOf, type NativePath, parentOf, type RootPath } from '../../protocol/base/root-path.ts';
import type { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { look, printOf } from '../../protocol/pull/replica/print.ts';
import type { ConflictReason } from '../../protocol/wire/pull.ts';
import type { CopyJournal } from './copy-journal.ts';
import type { CopyLedger } from './copy-ledger.ts';

export interface Staged {
  readonly path: RootPath;
  readonly version: string;
  /** Absolute, latin1. */
  readonly where: string;
}

export interface Conflict {
  readonly id: string;
  readonly path: RootPath;
  readonly reason: ConflictReason;
}

export interface PlacerOptions {
  /** Absolute and as the task writes it; latin1. */
  readonly root: string;
  readonly dest: string;
  readonly ledger: CopyLedger;
  readonly journal: CopyJournal;
  readonly kept: KeptVersions;
  /** Of this run: begins the ids of kept versions. */
  readonly id: string;
}

const batchFiles = 64;
/** A bucket says no mode of its directories; ours does not depend on the agent's umask. */
const directoryMode = 0o755;

export class Placer {
  readonly conflicts: Conflict[] = [];
  readonly problems: Problem[] = [];
  placed = 0;
  removed = 0;
  /** Whether the ledger has become another one. */
  changed = false;
  readonly #options: PlacerOptions;
  readonly #batch: Staged[] = [];
  /** Ids of versions that are written down, and their number so far. */
  readonly #announced = new Map<RootPath, string>();
  #announcements = 0;
  /** Directories that were looked at, or made. */
  readonly #real = new Set<RootPath>();

  constructor(options: PlacerOptions) {
    this.#options = options;
  }

  add(staged: Staged): void {
    this.#batch.push(staged);
    if (this.#batch.length >= batchFiles) this.flush();
  }

  flush(): void {
    const batch = this.#batch.splice(0);
    const placing = batch.map(({ path, version, where }) => {
      const stats = look(Buffer.from(where, 'latin1'));
      return { path, version, print: stats === undefined ? '' : printOf(stats) };
    });
    const { journal, ledger, kept } = this.#options;
    if (batch.length > 0) journal.append(ledger.source, placing, []);
    this.#announce(batch);
    for (const staged of batch) this.#each(staged.path, () => this.#place(staged));
    kept.takeBack([...this.#announced.values()]);
    this.#announced.clear();
  }

  /** Writes down what the batch will keep, as far as can be seen: with one barrier instead of some for each. */
  #announce(batch: readonly Staged[]): void {
    const { kept, id, root, dest, ledger } = this.#options;
    const foreseen = batch.flatMap(({ path }) => {
      const stats = look(this.#at(path));
      const print = ledger.files.get(path)?.print;
      if (stats === undefined || stats.isDirectory() || printOf(stats) === print) return [];
      const version = `${id}-a${this.#announcements}`;
      this.#announcements += 1;
      this.#announced.set(path, version);
      const reason: ConflictReason = print === undefined ? 'in-the-way' : 'changed';
      return [{ id: version, meta: { root, dest, path, reason } }];
    });
    kept.announce(foreseen);
  }

  /** Makes the directories that the bucket has. */
  directories(paths: Iterable<RootPath>): void {
    const { journal, ledger } = this.#options;
    const lacking = [...paths].filter((path) => look(this.#at(path))?.isDirectory() !== true);
    if (lacking.length > 0) journal.append(ledger.source, [], lacking);
    for (const path of paths) this.#each(path, () => this.#makeDirectory(path));
  }

  /** Makes a directory that the object of this version says to be one. */
  directory(path: RootPath, version: string): void {
    this.directories([path]);
    const { directories } = this.#options.ledger;
    // One that was there already is not ours: then it is asked about again by the next run.
    if (directories.has(path)) directories.set(path, version);
    this.changed = true;
  }

  /** Takes away a file of ours that nobody touched; one that was changed is kept among the conflicts. */
  remove(path: RootPath): void {
    this.#each(path, () => {
      const { ledger } = this.#options;
      const stats = this.#parentIsReal(path) ? look(this.#at(path)) : undefined;
      const print = ledger.files.get(path)?.print;
      ledger.files.delete(path);
      this.changed = true;
      if (stats === undefined) return;
      if (stats.isDirectory()) return;
      if (printOf(stats) === print) unlinkSync(this.#at(path));
      else this.#keep(path, 'deleted-at-source');
      this.removed += 1;
    });
  }

  /** Directories that we made and the bucket no longer has go when nothing is in them. */
  removeDirectories(paths: readonly RootPath[]): void {
    for (const path of paths.toSorted((a, b) => b.length - a.length)) {
      this.#each(path, () => {
        try {
          if (this.#parentIsReal(path) && look(this.#at(path))?.isDirectory() === true) rmdirSync(this.#at(path));
          this.#forgetDirectory(path);
        } catch (error) {
          // Somebody has something in it: it is theirs now.
          if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
          this.#forgetDirectory(path);
        }
      });
    }
  }

  #forgetDirectory(path: RootPath): void {
    this.#options.ledger.directories.delete(path);
    this.changed = true;
  }

  #place({ path, version, where }: Staged): void {
    if (path !== '') this.#makeDirectory(parentOf(path));
    this.#clear(path);
    renameSync(Buffer.from(where, 'latin1'), this.#at(path));
    const stats = look(this.#at(path));
    if (stats !== undefined) this.#options.ledger.files.set(path, { version, print: printOf(stats) });
    this.placed += 1;
    this.changed = true;
  }

  /** Sees to it that a rename to the path takes nothing away that is not ours, as we left it. */
  #clear(path: RootPath): void {
    const stats = look(this.#at(path));
    if (stats === undefined) return;
    const ours = this.#options.ledger.files.get(path);
    if (ours !== undefined && ours.print === printOf(stats)) return;
    if (stats.isDirectory() && this.#options.ledger.directories.has(path) && this.#removedEmpty(path)) return;
    this.#keep(path, ours === undefined ? 'in-the-way' : 'changed');
  }

  #removedEmpty(path: RootPath): boolean {
    try {
      rmdirSync(this.#at(path));
      this.#options.ledger.directories.delete(path);
      return true;
    } catch {
      return false;
    }
  }

  #makeDirectory(path: RootPath): void {
    if (this.#real.has(path)) return;
    if (path !== '') this.#makeDirectory(parentOf(path));
    const stats = look(this.#at(path));
    if (stats?.isDirectory() !== true) {
      if (stats !== undefined) {
        const ours = this.#options.ledger.files.get(path);
        if (ours !== undefined && ours.print === printOf(stats)) unlinkSync(this.#at(path));
        else this.#keep(path, ours === undefined ? 'in-the-way' : 'changed');
        this.#options.ledger.files.delete(path);
      }
      mkdirSync(this.#at(path));
      chmodSync(this.#at(path), directoryMode);
      this.#options.ledger.directories.set(path, '');
      this.changed = true;
    }
    this.#real.add(path);
  }

  /** Whether every directory above a path is one, and no symlink out of the root. */
  #parentIsReal(path: RootPath): boolean {
    for (let at = path; at !== ''; ) {
      at = parentOf(at);
      if (this.#real.has(at)) return true;
      if (look(this.#at(at))?.isDirectory() !== true) return false;
    }
    return true;
  }

  #keep(path: RootPath, reason: ConflictReason): void {
    const { kept, id, root, dest } = this.#options;
    const version = this.#announced.get(path) ?? `${id}-${this.conflicts.length}`;
    kept.keep(version, { root, dest, path, reason }, path === '' ? root : `${root}/${path}`, '');
    this.conflicts.push({ id: version, path, reason });
  }

  #at(path: RootPath): NativePath {
    return absolutePath(this.#options.root, path);
  }

  /** What concerns one path only is told with it; a full disk concerns all. */
  #each(path: RootPath, work: () => void): void {
    try {
      work();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EROFS') throw error;
      const { code, message } = toTowError(error, 'cannot be put in place');
      this.problems.push({ path, code, message: bytesOf(message) });
    }
  }
}
