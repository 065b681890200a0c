/**
 * Looks at a root and says where it is not as the ledger left it. Reads only; trusts a file whose print is unchanged,
 * hashes any other of the right size. A directory is compared by kind, mode and mtime; its times never make a conflict.
 */
import { type BigIntStats, chmodSync } from 'node:fs';
import { absolutePath, joinPath, type NativePath, type RootPath } from '../../base/root-path.ts';
import type { Entry } from '../../chunk/entry.ts';
import { isOwn } from './claim-root.ts';
import { fileHolds, linkText } from './file-content.ts';
import { type Ledger, ledgerItem } from './ledger.ts';
import { kindOf, look, noPrint, type Print, printAt, printCtimeNs, printInode, printOf } from './print.ts';

export type Observed =
  /** Nothing is there. */
  | { readonly state: 'missing' }
  /** Something of another kind, or with other contents, is there. */
  | { readonly state: 'changed' }
  /** Our contents, but mode, times or inode moved: `print` is what it is now. */
  | { readonly state: 'touched'; readonly print: Print };

/** Every path of the ledger that is not as it was left; what is not in the map is untouched. */
export type Observation = ReadonlyMap<RootPath, Observed>;

const missing: Observed = { state: 'missing' };
const changed: Observed = { state: 'changed' };

export interface Look {
  readonly observation: Observation;
  /** Files that were hashed only because their print was too young to be trusted. */
  readonly young: readonly RootPath[];
  /** Whether a file that is not as it was left has several names: then what is elsewhere counts, too. */
  readonly linked: boolean;
}

export interface LookOptions {
  /** Hash every file, whatever its print says. */
  readonly verify: boolean;
  /** Look at these directories only (and at all that is below what is gone). */
  readonly only: ReadonlySet<RootPath> | undefined;
  /** Open directories that their own mode closes to us; otherwise that is an error. */
  readonly lend: boolean;
}

/** Blocking. */
export function observe(root: string, ledger: Ledger, options: LookOptions): Look {
  const { only } = options;
  const observation = new Map<RootPath, Observed>();
  const observer = new Observer(root, ledger, options, observation);
  observer.item('', ledger.root, ledger.rootPrint);
  const some = [...(only ?? [])].filter((path) => ledger.directories.has(path)).sort();
  for (const path of some) observer.directory(path);
  // Parents come before children in path order, so that one that is gone settles everything below.
  if (only === undefined || observer.lostDirectory) {
    for (const path of [...ledger.directories.keys()].sort())
      if (only === undefined || (!only.has(path) && observer.isGone(path))) observer.directory(path);
  }
  return { observation, young: observer.young, linked: observer.linked };
}

class Observer {
  readonly #root: string;
  readonly #ledger: Ledger;
  readonly #options: LookOptions;
  readonly #found: Map<RootPath, Observed>;
  readonly young: RootPath[] = [];
  linked = false;
  lostDirectory = false;

  constructor(root: string, ledger: Ledger, options: LookOptions, found: Map<RootPath, Observed>) {
    this.#root = root;
    this.#ledger = ledger;
    this.#options = options;
    this.#found = found;
  }

  /** Whether what the ledger has at a path is known not to be there. */
  isGone(path: RootPath): boolean {
    const state = this.#found.get(path)?.state;
    return state === 'missing' || state === 'changed';
  }

  directory(path: RootPath): void {
    const directory = this.#ledger.directories.get(path);
    if (directory === undefined) return;
    const gone = this.isGone(path);
    if (!gone && this.#options.lend) this.#lend(path);
    directory.entries.forEach((entry, at) => {
      const child = joinPath(path, entry.name);
      if (gone) this.#found.set(child, missing);
      else this.item(child, entry, directory.prints[at] ?? '');
    });
  }

  /** A directory that its own mode closes to us is opened; it counts as touched, so the pull sets its mode again. */
  #lend(path: RootPath): void {
    const entry = ledgerItem(this.#ledger, path)?.entry;
    if (entry === undefined || (entry.mode & 0o700) === 0o700) return;
    const where = absolutePath(this.#root, path);
    const stats = look(where);
    if (stats === undefined || (Number(stats.mode) & 0o700) === 0o700) return;
    chmodSync(where, (Number(stats.mode) & 0o7777) | 0o700);
    this.#found.set(path, { state: 'touched', print: printOf(stats) });
  }

  item(path: RootPath, entry: Entry, print: Print): void {
    if (entry.kind === 'unknown' || this.#isUntouched(path, entry, print)) return;
    const where = absolutePath(this.#root, path);
    const stats = look(where);
    const observed = stats === undefined ? missing : this.#compare(path, stats, entry, print);
    if (observed === undefined) return;
    this.#found.set(path, observed);
    if (entry.kind === 'dir' && observed.state !== 'touched') this.lostDirectory = true;
    if (stats?.isFile() === true && stats.nlink > 1n) this.linked = true;
  }

  /** Whether all that would be found out is that nothing happened; false says nothing. */
  #isUntouched(path: RootPath, entry: Entry, print: Print): boolean {
    if (entry.kind === 'dir' || this.#options.verify || !this.#isSettled(print)) return false;
    return printAt(path === '' ? this.#root : `${this.#root}/${path}`) === print;
  }

  #isSettled(print: Print): boolean {
    return print !== noPrint && printCtimeNs(print) < this.#ledger.settledNs;
  }

  #compare(path: RootPath, stats: BigIntStats, entry: Entry, print: Print): Observed | undefined {
    const now = printOf(stats);
    const where = absolutePath(this.#root, path);
    if (entry.kind === 'dir') {
      if (!stats.isDirectory()) return changed;
      return sameMeta(stats, entry) || (path === '' && !isOwn(stats)) ? undefined : { state: 'touched', print: now };
    }
    const settled = this.#isSettled(print);
    if (now === print && settled && !this.#options.verify) return undefined;
    if (now === print && !settled) this.young.push(path);
    if (kindOf(stats) !== (entry.kind === 'hardlink' ? 'file' : entry.kind)) return changed;
    if (!this.#holds(where, stats, entry)) return changed;
    return now === print ? undefined : { state: 'touched', print: now };
  }

  #holds(where: NativePath, stats: BigIntStats, entry: Entry): boolean {
    switch (entry.kind) {
      case 'symlink':
        return linkText(where) === entry.content;
      case 'hardlink': {
        const other = look(absolutePath(this.#root, entry.content));
        return other !== undefined && printInode(printOf(other)) === printInode(printOf(stats));
      }
      case 'file':
        return stats.size === BigInt(entry.size) && fileHolds(where, entry);
      case 'dir':
      case 'unknown':
        return true;
    }
  }
}

/** Whether mode and mtime on disk are the entry's. */
export function sameMeta(stats: BigIntStats, entry: Entry): boolean {
  const mtimeNs = BigInt(entry.mtimeSec) * 1_000_000_000n + BigInt(entry.mtimeNsec);
  return stats.mtimeNs === mtimeNs && (entry.kind === 'symlink' || (Number(stats.mode) & 0o7777) === entry.mode);
}
