/** Directories that the source has renamed, as far as they can be renamed here as they are. */
import { readdirSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { absolutePath, isWithin, joinPath, parentOf, type RootPath } from '../../base/root-path.ts';
import type { Entry } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { childrenOf, type Renamed, withBelow } from '../../chunk/renamed-directories.ts';
import type { Ledger, LedgerDirectory } from './ledger.ts';
import type { Observation } from './observe.ts';
import { look, noPrint, type Print, printOf } from './print.ts';

export interface TreeMove {
  readonly from: RootPath;
  readonly to: RootPath;
  /** Of the directory itself. */
  readonly expect: Print;
  /** The ledger's, at and below `from`. */
  readonly directories: readonly LedgerDirectory[];
  /** Directories of these whose mode or times are others here. */
  readonly touched: readonly RootPath[];
}

interface TreeMovesInput {
  /** Absolute, latin1. */
  readonly root: string;
  readonly manifest: Manifest;
  readonly ledger: Ledger | undefined;
  readonly observation: Observation;
  /** Paths of the ledger that stay where they are. */
  readonly ignored: ReadonlySet<RootPath>;
  readonly renamed: readonly Renamed[];
}

/**
 * Those of `renamed` that are here as the ledger says, with nothing else in them, and whose new place is free: anything else is
 * renamed a file at a time, so that what the node put there stays. Looks at each directory; blocking.
 */
export function treeMoves({
  root,
  manifest,
  ledger,
  observation,
  ignored,
  renamed,
}: TreeMovesInput): readonly TreeMove[] {
  if (ledger === undefined || renamed.length === 0) return [];
  const moves: TreeMove[] = [];
  const whole = new Set(renamed.map(({ from }) => from));
  const children = childrenOf(ledger.directories.keys());
  const doubted = new Set<RootPath>();
  const touched: RootPath[] = [];
  const doubt = (path: RootPath): void => {
    for (let at = path; at !== ''; at = parentOf(at)) if (whole.has(at)) doubted.add(at);
  };
  for (const path of ignored) doubt(path);
  for (const [path, { state }] of observation) {
    if (state === 'touched' && ledger.directories.has(path)) touched.push(path);
    else doubt(path);
  }
  for (const { from, to } of renamed) {
    if (doubted.has(from) || manifest.directories.has(from) || !isFree(root, to, ledger, whole)) continue;
    const stats = look(absolutePath(root, from));
    const directories = withBelow(from, children).flatMap((path) => ledger.directories.get(path) ?? []);
    if (stats?.isDirectory() !== true || !directories.every((directory) => isAsLeft(root, directory))) continue;
    const metas = touched.filter((path) => isAtOrBelow(path, from));
    moves.push({ from, to, expect: printOf(stats), directories, touched: metas });
  }
  return moves;
}

/** Where a path at or below `from` comes to lie. */
export function pathAfter({ from, to }: Renamed, path: RootPath): RootPath {
  return `${to}${path.slice(from.length)}`;
}

function isAtOrBelow(path: RootPath, directory: RootPath): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

/** Whether nothing is at a path, in a directory that was there before and stays where it is. */
function isFree(root: string, path: RootPath, ledger: Ledger, whole: ReadonlySet<RootPath>): boolean {
  const parent = parentOf(path);
  if (!ledger.directories.has(parent) || isWithin(parent, whole)) return false;
  return look(absolutePath(root, path)) === undefined && look(absolutePath(root, parent))?.isDirectory() === true;
}

/** Whether a directory has what the ledger says and nothing else, and every file's print is known. */
function isAsLeft(root: string, { path, entries, prints }: LedgerDirectory): boolean {
  if (prints.some((print, at) => print === noPrint && entries[at]?.kind !== 'dir')) return false;
  return hasExactly(root, path, entries);
}

/** Whether the names in a directory are these; false if it cannot be listed. Blocking. */
export function hasExactly(root: string, path: RootPath, entries: readonly Entry[]): boolean {
  let names: readonly string[];
  try {
    names = readdirSync(absolutePath(root, path), { encoding: 'latin1' });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
  const known = new Set(entries.map(({ name }) => name));
  return names.length === known.size && names.every((name) => known.has(name));
}

/** The prints that a directory's files have after the move, by their new paths: those they had. */
export function* printsAfter(move: TreeMove): Generator<[RootPath, Print], void, void> {
  for (const { path, entries, prints } of move.directories)
    for (const [at, { kind, name }] of entries.entries())
      if (kind !== 'dir') yield [joinPath(pathAfter(move, path), name), prints[at] ?? noPrint];
}

/** What is in them besides directories. */
export function filesIn(moves: readonly TreeMove[]): number {
  const all = moves.flatMap(({ directories }) => directories.flatMap(({ entries }) => entries));
  return all.filter(({ kind }) => kind !== 'dir').length;
}
