/**
 * Compares what the source has with what is on the node and decides, path by path, what a switch will do. Changes
 * nothing. What is in the way and not ours needs no decision here: ops say what they may replace, and the switch keeps
 * anything else (see op.ts).
 */
import { absolutePath, isWithin, joinPath, nameOf, parentOf, type RootPath } from '../../base/root-path.ts';
import { type Entry, sameContent } from '../../chunk/entry.ts';
import { indexOfName } from '../../chunk/index-of-name.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import type { Renamed } from '../../chunk/renamed-directories.ts';
import { sameBytes } from './file-content.ts';
import { type Ledger, type LedgerItem, ledgerItem } from './ledger.ts';
import { Movable } from './movable.ts';
import { type Observation, type Observed, sameMeta } from './observe.ts';
import type { MetaOp, Op } from './op.ts';
import { changedPrint, kindOf, look, noPrint, type Print, printInode, printOf } from './print.ts';
import { pathAfter, printsAfter, type TreeMove, treeMoves } from './tree-moves.ts';

/** A directory that is not on the node: staged whole, with all that is below it, and put in place in one step. */
export interface Tree {
  readonly path: RootPath;
  readonly entry: Entry;
  /** Itself and those below, parents first. */
  readonly directories: readonly RootPath[];
}

/** A file or symlink that must be staged, and what its place may take the place of. */
export interface Placement {
  readonly path: RootPath;
  readonly entry: Entry;
  readonly expect: Print;
  /** What it is staged in, if not by itself. */
  readonly tree: Tree | undefined;
}

export interface Plan {
  /** Ours, gone from the source: non-directories, then directories upwards. */
  readonly removals: readonly Op[];
  /** Directories that are here under another name, with all that is in them. */
  readonly treeMoves: readonly TreeMove[];
  /** Files that are here under another name: renamed, not staged. */
  readonly moves: readonly MoveOp[];
  /** Directories that are empty only after these. */
  readonly lateRemovals: readonly Op[];
  readonly directories: readonly Op[];
  /** In path order; none lies in another. */
  readonly trees: readonly Tree[];
  /** Directories that are not there before the switch. */
  readonly newDirectories: ReadonlySet<RootPath>;
  /** Hard links come after all files. */
  readonly placements: readonly Placement[];
  /** Metadata that the source changed, files first, then directories upwards. */
  readonly metas: readonly MetaOp[];
  /** Metadata of the node that drifted from a ledger entry which did not change: put back without a journal. */
  readonly restores: readonly MetaOp[];
  /** Print of every path that stays as it is and has one; a path that is not here gets its print after the switch. */
  readonly prints: ReadonlyMap<RootPath, Print>;
}

export interface PlanInput {
  /** Absolute, latin1. */
  readonly root: string;
  readonly manifest: Manifest;
  readonly ledger: Ledger | undefined;
  readonly observation: Observation;
  /** Paths of the ledger that the source lacks only because it ignores them now: they stay. */
  readonly ignored: ReadonlySet<RootPath>;
  /** Directories whose entries the source or the node may have changed; any if undefined. */
  readonly scope: ReadonlySet<RootPath> | undefined;
  /** Directories that the source has under another name, as far as that was told. */
  readonly renamed: readonly Renamed[];
}

/** Paths of the ledger that the manifest lacks, children before parents. Below an `unknown` entry nothing is absent. */
export function absentPaths(ledger: Ledger, manifest: Manifest, scope: ReadonlySet<RootPath> | undefined): RootPath[] {
  const unknown = scope === undefined ? unknownPaths(manifest) : new Set<RootPath>();
  const absent: RootPath[] = [];
  for (const directory of scope ?? ledger.directories.keys()) {
    const before = ledger.directories.get(directory)?.entries ?? [];
    const now = manifest.directories.get(directory)?.entries ?? [];
    if (before === now) continue;
    const present = new Set(now.map(({ name }) => name));
    for (const { name } of before) {
      const path = joinPath(directory, name);
      if (!present.has(name) && !isWithin(path, unknown)) absent.push(path);
    }
  }
  return absent.sort().toReversed();
}

/** Paths that the source could not read. */
export function unknownPaths(manifest: Manifest): Set<RootPath> {
  const paths = new Set<RootPath>();
  if (manifest.root.kind === 'unknown') paths.add('');
  for (const [directory, { entries }] of manifest.directories) {
    for (const { name, kind } of entries) if (kind === 'unknown') paths.add(joinPath(directory, name));
  }
  return paths;
}

export type MoveOp = Extract<Op, { readonly op: 'move' }>;

export function planPull(input: PlanInput): Plan {
  const planner = new Planner(input);
  planner.entries();
  planner.removals();
  planner.moves();
  return planner.plan();
}

interface GrowingTree extends Tree {
  readonly directories: RootPath[];
}

class Planner {
  readonly #input: PlanInput;
  #removals: Op[] = [];
  readonly #lateRemovals: Op[] = [];
  readonly #moves: MoveOp[] = [];
  readonly #treeMoves: readonly TreeMove[];
  /** Where they come from, where they go, and all that is above where they come from. */
  readonly #movedFrom = new Set<RootPath>();
  readonly #movedTo = new Set<RootPath>();
  readonly #aboveMoved = new Set<RootPath>();
  /** Directories in a tree that change after it was put in place. */
  readonly #late = new Set<RootPath>();
  readonly #directories: Op[] = [];
  readonly #trees: GrowingTree[] = [];
  /** Of directories in a tree, and of its own. */
  readonly #treeOf = new Map<RootPath, GrowingTree>();
  #placements: Placement[] = [];
  readonly #metas: MetaOp[] = [];
  readonly #directoryMetas = new Map<RootPath, MetaOp>();
  readonly #restores: MetaOp[] = [];
  readonly #prints = new Map<RootPath, Print>();
  readonly #touched = new Set<RootPath>();
  readonly #placed = new Set<RootPath>();
  /** Directories that are not there before the switch: nothing below them is. */
  readonly #fresh = new Set<RootPath>();

  /** Inodes of files on the node that stay under some path: a second path of one would be a hard link the source lacks. */
  readonly #claimed = new Set<string>();

  constructor(input: PlanInput) {
    this.#input = input;
    this.#treeMoves = treeMoves(input);
    for (const move of this.#treeMoves) {
      this.#movedFrom.add(move.from);
      this.#movedTo.add(move.to);
      for (let at = parentOf(move.from); at !== ''; at = parentOf(at)) this.#aboveMoved.add(at);
    }
  }

  plan(): Plan {
    // Every directory whose contents change gets its own mode and mtime again, upwards.
    for (const path of this.#touched) {
      const entry = this.#isInside(path) && !this.#late.has(path) ? undefined : this.#directoryEntry(path);
      if (entry !== undefined) this.#directoryMetas.set(path, metaOp(path, entry));
    }
    const upwards = [...this.#directoryMetas.keys()].sort().toReversed();
    return {
      removals: this.#removals,
      treeMoves: this.#treeMoves,
      moves: this.#moves,
      lateRemovals: this.#lateRemovals.sort((a, b) => (pathOf(a) < pathOf(b) ? 1 : -1)),
      directories: this.#directories,
      trees: this.#trees,
      newDirectories: this.#fresh,
      placements: this.#placements,
      metas: [
        ...this.#metas,
        ...upwards.map((path) => this.#directoryMetas.get(path)).filter((op) => op !== undefined),
      ],
      restores: this.#restores.filter((op) => !this.#directoryMetas.has(op.path)).toReversed(),
      prints: this.#prints,
    };
  }

  entries(): void {
    const { manifest, scope } = this.#input;
    this.#entry('', manifest.root);
    for (const move of this.#treeMoves) this.#movedTree(move);
    const all = [...(scope ?? manifest.directories.keys())].sort();
    const paths = this.#movedTo.size === 0 ? all : all.filter((path) => !isWithin(path, this.#movedTo));
    // A hard link may come before the directory of the file that it names, so links wait until files are decided.
    for (const links of [false, true]) {
      for (const path of paths) {
        for (const entry of manifest.directories.get(path)?.entries ?? []) {
          if ((entry.kind === 'hardlink') === links) this.#entry(joinPath(path, entry.name), entry);
        }
      }
    }
  }

  removals(): void {
    const { ledger, manifest, observation, ignored, scope } = this.#input;
    if (ledger === undefined) return;
    const directories: Op[] = [];
    for (const path of absentPaths(ledger, manifest, scope)) {
      const item = ledgerItem(ledger, path);
      if (
        item === undefined ||
        item.entry.kind === 'unknown' ||
        ignored.has(path) ||
        observation.get(path)?.state === 'missing'
      )
        continue;
      this.#touch(path);
      if (isWithin(path, this.#movedFrom)) continue;
      if (item.entry.kind === 'dir')
        (this.#aboveMoved.has(path) ? this.#lateRemovals : directories).push({ op: 'rmdir', path });
      else this.#removals.push({ op: 'remove', path, expect: currentPrint(item, observation.get(path)) });
    }
    this.#removals.push(...directories);
  }

  /** What would be removed here and staged there is renamed, if nobody touched it. */
  moves(): void {
    const { ledger, observation } = this.#input;
    if (ledger === undefined || this.#removals.length === 0 || this.#placements.length === 0) return;
    const movable = new Movable(ledger);
    for (const op of this.#removals) if (op.op === 'remove' && !observation.has(op.path)) movable.add(op.path);
    // A link is staged beside the file that it names.
    const linked = new Set(
      this.#placements.filter(({ entry }) => entry.kind === 'hardlink').map(({ entry }) => entry.content),
    );
    const moved = new Set<RootPath>();
    const above = new Set<RootPath>();
    this.#placements = this.#placements.filter(({ path, entry, expect }) => {
      if (entry.kind !== 'file' || expect !== noPrint || linked.has(path)) return true;
      const from = movable.take(entry, (source) => !this.#isReplaced(source));
      if (from === undefined) return true;
      this.#moves.push({ op: 'move', path, from: from.path, expect: from.print });
      moved.add(from.path);
      for (let at = from.path; at !== ''; at = parentOf(at)) above.add(parentOf(at));
      this.#touch(path);
      this.#late.add(parentOf(path));
      return false;
    });
    this.#lateRemovals.push(...this.#removals.filter((op) => op.op === 'rmdir' && above.has(op.path)));
    this.#removals = this.#removals.filter((op) =>
      op.op === 'rmdir' ? !above.has(op.path) : op.op !== 'remove' || !moved.has(op.path),
    );
  }

  /** Whether something else comes where one of the directories above a path is. */
  #isReplaced(path: RootPath): boolean {
    for (let at = parentOf(path); at !== ''; at = parentOf(at))
      if (this.#placed.has(at) || this.#fresh.has(at)) return true;
    return false;
  }

  /** Its files have the prints they had; its own mode may forbid to move it. */
  #movedTree(move: TreeMove): void {
    for (const path of [move.to, ...move.touched.map((each) => pathAfter(move, each))]) {
      const entry = this.#directoryEntry(path);
      if (entry !== undefined) this.#directoryMetas.set(path, metaOp(path, entry));
    }
    this.#touch(move.to);
    for (const [path, print] of printsAfter(move)) this.#prints.set(path, print);
  }

  #entry(path: RootPath, entry: Entry): void {
    if (entry.kind === 'unknown' || this.#movedTo.has(path)) return;
    const { ledger, observation } = this.#input;
    const ours = ledger === undefined ? undefined : ledgerItem(ledger, path);
    if (ours === undefined || ours.entry.kind === 'unknown') this.#new(path, entry);
    else this.#known(path, entry, ours, observation.get(path));
  }

  /** A path that is not in the ledger: whatever is there is the node's; equal contents are adopted. */
  #new(path: RootPath, entry: Entry, expect: Print = noPrint): void {
    const where = absolutePath(this.#input.root, path);
    const stats = path !== '' && this.#fresh.has(parentOf(path)) ? undefined : look(where);
    if (entry.kind === 'dir') {
      if (stats?.isDirectory() !== true) {
        this.#directory(path, entry, noPrint);
        return;
      }
      if (!sameMeta(stats, entry)) this.#directoryMetas.set(path, metaOp(path, entry));
    } else if (stats !== undefined && kindOf(stats) === entry.kind && sameBytes(where, stats.size, entry)) {
      if (!this.#claim(entry, printOf(stats))) this.#place(path, entry, printOf(stats));
      else if (sameMeta(stats, entry)) this.#prints.set(path, printOf(stats));
      else this.#metas.push(metaOp(path, entry, printOf(stats)));
    } else {
      this.#place(path, entry, expect);
    }
  }

  #known(path: RootPath, entry: Entry, ours: LedgerItem, observed: Observed | undefined): void {
    const print = currentPrint(ours, observed);
    const there = observed === undefined || observed.state === 'touched';
    if (entry.kind === 'dir') {
      if (!there || ours.entry.kind !== 'dir')
        this.#directory(path, entry, observed?.state === 'changed' ? noPrint : print);
      else if (!sameTimesAndMode(entry, ours.entry)) this.#directoryMetas.set(path, metaOp(path, entry));
      else if (observed !== undefined) this.#restores.push(metaOp(path, entry));
      return;
    }
    if (!there || !sameContent(entry, ours.entry) || this.#linkBroken(entry, print)) {
      // What the node changed may already be what the source now has.
      if (observed?.state === 'changed') this.#new(path, entry, changedPrint);
      else this.#place(path, entry, observed?.state === 'missing' ? noPrint : print);
      return;
    }
    if (observed !== undefined && !this.#claim(entry, print)) this.#place(path, entry, print);
    else if (!sameTimesAndMode(entry, ours.entry)) this.#metas.push(metaOp(path, entry, print));
    else if (observed !== undefined) this.#restores.push(metaOp(path, entry, print));
    else this.#prints.set(path, print);
  }

  #claim(entry: Entry, print: Print): boolean {
    const inode = printInode(print);
    if (entry.kind !== 'file') return true;
    const free = !this.#claimed.has(inode);
    this.#claimed.add(inode);
    return free;
  }

  /** A hard link must be made again when the file it names is, or has become another one. */
  #linkBroken(entry: Entry, print: Print): boolean {
    if (entry.kind !== 'hardlink') return false;
    if (this.#placed.has(entry.content)) return true;
    const target = look(absolutePath(this.#input.root, entry.content));
    return target === undefined || printInode(printOf(target)) !== printInode(print);
  }

  #directory(path: RootPath, entry: Entry, expect: Print): void {
    this.#fresh.add(path);
    const around = path === '' ? undefined : this.#treeOf.get(parentOf(path));
    if (around !== undefined) {
      around.directories.push(path);
      this.#treeOf.set(path, around);
      return;
    }
    this.#touch(path);
    this.#directoryMetas.set(path, metaOp(path, entry));
    if (path === '' || expect !== noPrint) {
      this.#directories.push({ op: 'mkdir', path, expect });
      return;
    }
    const tree = { path, entry, directories: [path] };
    this.#trees.push(tree);
    this.#treeOf.set(path, tree);
  }

  /** Whether a directory lies in a tree, and so gets its metadata in the stage. */
  #isInside(path: RootPath): boolean {
    const tree = this.#treeOf.get(path);
    return tree !== undefined && tree.path !== path;
  }

  #place(path: RootPath, entry: Entry, expect: Print): void {
    const tree = path === '' ? undefined : this.#treeOf.get(parentOf(path));
    if (tree === undefined) this.#touch(path);
    this.#placed.add(path);
    this.#placements.push({ path, entry, expect, tree });
  }

  #touch(path: RootPath): void {
    if (path !== '') this.#touched.add(parentOf(path));
  }

  #directoryEntry(path: RootPath): Entry | undefined {
    const { manifest } = this.#input;
    if (path === '') return manifest.root.kind === 'dir' ? manifest.root : undefined;
    if (!manifest.directories.has(path)) return undefined;
    const siblings = manifest.directories.get(parentOf(path))?.entries ?? [];
    return siblings[indexOfName(siblings, nameOf(path))];
  }
}

function pathOf(op: Op): RootPath {
  return op.op === 'appear' ? '' : op.path;
}

/** The print that our object at a path has now; `noPrint` if what is there is not ours any more. */
function currentPrint(ours: LedgerItem, observed: Observed | undefined): Print {
  if (observed === undefined) return ours.print;
  return observed.state === 'touched' ? observed.print : noPrint;
}

function sameTimesAndMode(a: Entry, b: Entry): boolean {
  return a.mtimeSec === b.mtimeSec && a.mtimeNsec === b.mtimeNsec && (a.kind === 'symlink' || a.mode === b.mode);
}

/** `print` is that of what is there, if it was looked at. */
export function metaOp(path: RootPath, { kind, mode, mtimeSec, mtimeNsec }: Entry, print: Print = noPrint): MetaOp {
  const op: MetaOp = { op: 'meta', path, kind, mode, mtimeSec, mtimeNsec };
  // What is done by one name of a file changes the print that its others have.
  return print === noPrint || kind === 'hardlink' ? op : { ...op, expect: print };
}
