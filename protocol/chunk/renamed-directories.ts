/** Directories of one manifest that another one has under another name, with all that is below them. */
import { isWithin, parentOf, type RootPath } from '../base/root-path.ts';
import type { Digest } from './digest.ts';
import { type Directory, directoryDigest, directoryUnder, type Manifest } from './manifest.ts';

export interface Renamed {
  readonly from: RootPath;
  readonly to: RootPath;
}

/**
 * Of the directories `added`, which `next` has and `base` lacks: each with one that is gone from `base` and was the same, to the last entry below
 * it. None lies in another; each that is gone is named once.
 */
export function renamedDirectories(base: Manifest, next: Manifest, added: readonly RootPath[]): readonly Renamed[] {
  const gone = added.length === 0 ? [] : [...base.directories.keys()].filter((path) => !next.directories.has(path));
  if (gone.length === 0) return [];
  const byDigest = new Map<Digest, RootPath[]>();
  for (const path of gone.sort().toReversed()) {
    const digest = directoryDigest(directoryAt(base, path));
    const same = byDigest.get(digest);
    if (same === undefined) byDigest.set(digest, [path]);
    else same.push(path);
  }
  const [below, belowNext] = [childrenOf(gone), childrenOf(added)];
  const taken = new Set<RootPath>();
  const covered = new Set<RootPath>();
  const renamed: Renamed[] = [];
  for (const to of [...added].sort()) {
    // An empty one is made as soon as it is renamed, and is like any other.
    if (isWithin(to, covered) || directoryAt(next, to).entries.length === 0) continue;
    const candidates = byDigest.get(directoryDigest(directoryAt(next, to))) ?? [];
    const from = candidates.find((path) => !taken.has(path) && isSame(path, to));
    if (from === undefined) continue;
    renamed.push({ from, to });
    covered.add(to);
    candidates.splice(candidates.indexOf(from), 1);
    for (const path of withBelow(from, below)) taken.add(path);
  }
  return renamed;

  function isSame(from: RootPath, to: RootPath): boolean {
    const [before, now] = [withBelow(from, below), withBelow(to, belowNext)];
    return (
      before.length === now.length &&
      before.every((path, at) => {
        const other = now[at] ?? '';
        return (
          !taken.has(path) &&
          path.slice(from.length) === other.slice(to.length) &&
          directoryDigest(directoryAt(base, path)) === directoryDigest(directoryAt(next, other))
        );
      })
    );
  }
}

/** The directories at and below `to`, as those at and below `from` in `base`. */
export function* under(
  base: Manifest,
  { from, to }: Renamed,
  children: Children,
): Generator<[RootPath, Directory], void, void> {
  for (const path of withBelow(from, children)) {
    const directory = directoryAt(base, path);
    const now = `${to}${path.slice(from.length)}`;
    yield [now, directoryUnder(directory, now)];
  }
}

function directoryAt({ directories }: Manifest, path: RootPath): Directory {
  return directories.get(path) ?? { path, entries: [] };
}

type Children = ReadonlyMap<RootPath, readonly RootPath[]>;

/** Which of these directories lie in which. */
export function childrenOf(paths: Iterable<RootPath>): Map<RootPath, RootPath[]> {
  const children = new Map<RootPath, RootPath[]>();
  for (const path of paths) {
    const siblings = children.get(parentOf(path));
    if (siblings === undefined) children.set(parentOf(path), [path]);
    else siblings.push(path);
  }
  return children;
}

/** A directory and those below it, in an order that names alone decide. */
export function withBelow(path: RootPath, children: Children): RootPath[] {
  const below = [...(children.get(path) ?? [])].sort();
  return [path, ...below.flatMap((child) => withBelow(child, children))];
}
