import { nameOf, parentOf, type RootPath } from '../../base/root-path.ts';
import type { Digest } from '../../chunk/digest.ts';
import type { Entry } from '../../chunk/entry.ts';
import { indexOfName } from '../../chunk/index-of-name.ts';
import type { Directory, Manifest } from '../../chunk/manifest.ts';
import type { Print } from './print.ts';

/** A directory of a ledger: the entries as they were put there, and beside each the print it had then. */
export interface LedgerDirectory extends Directory {
  /** One print an entry, in the same order. Directories have `noPrint`: their times change with their contents. */
  readonly prints: readonly Print[];
}

/** What Towline has put into a root, and nothing else. */
export interface Ledger {
  /** Identity of the source that fed the root last; '' if that does not matter. */
  readonly source: string;
  /** `manifestDigest` of this ledger's entries. */
  readonly digest: Digest;
  readonly root: Entry;
  readonly rootPrint: Print;
  readonly directories: ReadonlyMap<RootPath, LedgerDirectory>;
  /** Prints with a ctime at or after this instant (ns) may hide an edit in the same tick: such files are hashed. */
  readonly settledNs: bigint;
}

export function ledgerManifest(ledger: Ledger): Manifest {
  return { root: ledger.root, directories: ledger.directories };
}

export interface LedgerItem {
  readonly entry: Entry;
  readonly print: Print;
}

/** The entry and print at a path; a binary search in its directory. */
export function ledgerItem(ledger: Ledger, path: RootPath): LedgerItem | undefined {
  if (path === '') return { entry: ledger.root, print: ledger.rootPrint };
  const directory = ledger.directories.get(parentOf(path));
  if (directory === undefined) return undefined;
  const at = indexOfName(directory.entries, nameOf(path));
  const entry = at < 0 ? undefined : directory.entries[at];
  const print = at < 0 ? undefined : directory.prints[at];
  return entry === undefined || print === undefined ? undefined : { entry, print };
}
