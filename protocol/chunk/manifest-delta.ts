/** What leads from one manifest to another: the entries that differ. */
import { TowError } from '../base/errors.ts';
import { displayPath, isWithin, joinPath, nameOf, parentOf, type RootPath } from '../base/root-path.ts';
import { type Entry, sameEntry } from './entry.ts';
import { indexOfName } from './index-of-name.ts';
import { type Directory, directoryDigest, isPlain, type Manifest, manifestTotals } from './manifest.ts';
import type { ManifestLimits } from './manifest-codec.ts';
import { childrenOf, type Renamed, renamedDirectories, under } from './renamed-directories.ts';

export interface ManifestDelta {
  /** The new root entry and, by directory, the entries that are new or other than before. */
  readonly part: Manifest;
  /** Entries that are gone; a directory is gone with all below it. */
  readonly removed: readonly RootPath[];
  /** Directories that are new with all below them, and have what others had that are gone. Not in `part`, but for their entries. */
  readonly renamed: readonly Renamed[];
}

/** Cheap for manifests that share directories. Undefined where a delta would not do: the root is no directory, or an entry is not plain. */
export function deltaBetween(base: Manifest, next: Manifest): ManifestDelta | undefined {
  if (base.root.kind !== 'dir' || next.root.kind !== 'dir' || !isPlain(base) || !isPlain(next)) return undefined;
  const directories = new Map<RootPath, Directory>();
  const removed: RootPath[] = [];
  const added: RootPath[] = [];
  for (const [path, directory] of next.directories) {
    const before = base.directories.get(path);
    if (before === directory) continue;
    if (before === undefined) {
      directories.set(path, directory);
      added.push(path);
    } else if (directoryDigest(before) !== directoryDigest(directory)) {
      const entries = changedEntries(before, directory, removed);
      if (entries.length > 0) directories.set(path, { path, entries });
    }
  }
  const renamed = renamedDirectories(base, next, added);
  const covered = new Set(renamed.map(({ to }) => to));
  if (covered.size > 0) for (const path of directories.keys()) if (isWithin(path, covered)) directories.delete(path);
  return { part: { root: next.root, directories }, removed, renamed };
}

function changedEntries(before: Directory, now: Directory, removed: RootPath[]): Entry[] {
  const changed: Entry[] = [];
  let at = 0;
  const remove = ({ name }: Entry): void => void removed.push(joinPath(now.path, name));
  for (const entry of now.entries) {
    let old = before.entries[at];
    for (; old !== undefined && old.name < entry.name; old = before.entries[at]) {
      remove(old);
      at += 1;
    }
    if (old?.name !== entry.name) changed.push(entry);
    else {
      at += 1;
      if (old === entry || sameEntry(old, entry)) continue;
      // What was below it goes, too.
      if (old.kind === 'dir' && entry.kind !== 'dir') remove(old);
      changed.push(entry);
    }
  }
  for (const old of before.entries.slice(at)) remove(old);
  return changed;
}

export interface AppliedDelta {
  readonly manifest: Manifest;
  /** Directories that are not what they were, or are gone. */
  readonly changed: ReadonlySet<RootPath>;
}

/**
 * The manifest that a delta of a peer leads to. Throws `bad-message` or `limit-exceeded` unless it is a sound one, given
 * that `base` is: every directory has its entry and the other way round. Names and fields were checked when it was decoded.
 */
export function applyDelta(
  base: Manifest,
  { part, removed, renamed }: ManifestDelta,
  limits: ManifestLimits,
): AppliedDelta {
  const { root } = part;
  const directories = new Map<RootPath, Directory>(base.directories);
  if (root.kind !== 'dir' || !directories.has('')) refuse('has no root', '');
  const changed = new Set<RootPath>();
  const gone = takeOut(base, removed, directories, changed);
  const below = renamed.length === 0 ? new Map<RootPath, RootPath[]>() : childrenOf(base.directories.keys());
  const [sources, targets] = [new Set<RootPath>(), new Set<RootPath>()];
  for (const one of renamed) {
    const { from, to } = one;
    if (from === '' || directories.has(to) || !base.directories.has(from)) refuse('cannot rename', from);
    if (isWithin(from, sources)) refuse('renames twice', from);
    sources.add(from);
    targets.add(to);
    for (const [path, directory] of under(base, one, below)) {
      directories.set(path, directory);
      changed.add(path);
    }
    if (directories.size > limits.manifestEntries)
      throw new TowError('limit-exceeded', 'a delta of too many directories');
  }
  // What is renamed whole is as it was.
  for (const path of part.directories.keys()) if (isWithin(path, targets)) refuse('changes what it renames', path);
  for (const path of new Set([...gone.keys(), ...part.directories.keys()])) {
    const entries = part.directories.get(path)?.entries ?? [];
    const before = directories.get(path);
    changed.add(path);
    directories.set(path, {
      path,
      entries: before === undefined ? entries : merged(before.entries, entries, gone.get(path)),
    });
  }
  for (const path of changed) {
    if (directories.has(path) && path !== '' && !isDirectoryOf(directories, path)) refuse('has no way to', path);
    for (const { kind, name } of part.directories.get(path)?.entries ?? []) {
      const child = joinPath(path, name);
      if (kind === 'hardlink' || kind === 'unknown') refuse('may not have what is no plain entry', child);
      if (directories.has(child) !== (kind === 'dir')) refuse('has entries and no directory, or no entries for', child);
    }
  }
  const manifest = { root, directories };
  const { entries } = manifestTotals(manifest);
  if (entries > limits.manifestEntries) throw new TowError('limit-exceeded', `a manifest of ${entries} entries`);
  return { manifest, changed };
}

/** Drops the directories at and below `removed`; returns the names that are gone, by directory. */
function takeOut(
  base: Manifest,
  removed: readonly RootPath[],
  directories: Map<RootPath, Directory>,
  changed: Set<RootPath>,
): Map<RootPath, Set<string>> {
  const gone = new Map<RootPath, Set<string>>();
  const fallen = new Set<RootPath>();
  for (const path of removed) {
    const parent = parentOf(path);
    const siblings = base.directories.get(parent)?.entries ?? [];
    const entry = path === '' ? undefined : siblings[indexOfName(siblings, nameOf(path))];
    if (entry === undefined) refuse('removes what is not there', path);
    const names = gone.get(parent) ?? new Set<string>();
    gone.set(parent, names.add(entry.name));
    if (entry.kind === 'dir') fallen.add(path);
  }
  if (fallen.size === 0) return gone;
  for (const path of base.directories.keys()) {
    if (!isWithin(path, fallen)) continue;
    directories.delete(path);
    changed.add(path);
    if (gone.delete(path)) refuse('removes twice what was in', path);
  }
  return gone;
}

/** `entries` in the place of those of the same name, without the names that are gone. */
function merged(
  before: readonly Entry[],
  entries: readonly Entry[],
  gone: ReadonlySet<string> | undefined,
): readonly Entry[] {
  const all: Entry[] = [];
  let at = 0;
  for (const old of before) {
    for (let entry = entries[at]; entry !== undefined && entry.name <= old.name; entry = entries[at]) {
      all.push(entry);
      at += 1;
    }
    if (all.at(-1)?.name !== old.name && gone?.has(old.name) !== true) all.push(old);
  }
  return at === entries.length ? all : [...all, ...entries.slice(at)];
}

function isDirectoryOf(directories: ReadonlyMap<RootPath, Directory>, path: RootPath): boolean {
  const siblings = directories.get(parentOf(path))?.entries ?? [];
  return siblings[indexOfName(siblings, nameOf(path))]?.kind === 'dir';
}

function refuse(what: string, path: RootPath): never {
  throw new TowError('bad-message', `a manifest's delta ${what} ${JSON.stringify(displayPath(path))}`);
}
