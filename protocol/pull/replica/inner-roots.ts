/**
 * Roots inside a root. What lies at and below an inner root is that root's alone: what the outer one's source has there is
 * left out, whichever of the two was synced first.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import { isWithin, joinPath, type RootPath } from '../../base/root-path.ts';
import { digestOf } from '../../chunk/digest.ts';
import type { Entry } from '../../chunk/entry.ts';
import type { Directory, Manifest } from '../../chunk/manifest.ts';
import { replaceFile } from './durable-file.ts';
import { look } from './print.ts';

/** Name of a destination's state. */
export function rootKey(dest: string): string {
  return Buffer.from(digestOf(dest), 'latin1').toString('hex').slice(0, 16);
}

/** Remembers in a root's state where the root lies (absolute, latin1). Blocking. */
export function rememberRoot(stateDir: string, root: string): void {
  const file = join(stateDir, 'root');
  if (readRoot(file) !== root) replaceFile(file, [Buffer.from(root, 'latin1')]);
}

/** Where a root lies, if something was pulled to it; latin1. Blocking. */
export function rootOf(stateDir: string): string | undefined {
  return readRoot(join(stateDir, 'root'));
}

/** Where the other roots of the node lie, of which something is there. Blocking: reads a small file a root. */
export function otherRoots(rootsDir: string, key: string): readonly string[] {
  return readdirSync(rootsDir)
    .filter((other) => other !== key)
    .map((other) => readRoot(join(rootsDir, other, 'root')))
    .filter((root) => root !== undefined)
    .filter((root) => look(Buffer.from(root, 'latin1')) !== undefined);
}

function readRoot(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Those of `roots` (absolute) that lie in `root`, as paths in it; not those that lie in another of them. */
export function pathsInside(root: string, roots: readonly string[]): ReadonlySet<RootPath> {
  const inside = roots.filter((one) => one.startsWith(`${root}/`)).map((one) => one.slice(root.length + 1));
  const all = new Set(inside);
  return new Set(inside.filter((path) => !path.includes('/') || !isWithin(path.slice(0, path.lastIndexOf('/')), all)));
}

export interface Trimmed {
  readonly manifest: Manifest;
  /** What was taken out of it. */
  readonly leftOut: readonly RootPath[];
  /** Files whose contents the untrimmed manifest has at another path: the first of its hard links was taken out. */
  readonly standIns: ReadonlyMap<RootPath, RootPath>;
}

/**
 * A manifest without what lies at `inner` paths, and without what is no directory where an inner root needs one above it.
 * Undefined if it has nothing there.
 */
export function trim(manifest: Manifest, inner: ReadonlySet<RootPath>): Trimmed | undefined {
  const leftOut = new Set<RootPath>();
  for (const path of inner) {
    for (let end = path.indexOf('/'); ; end = path.indexOf('/', end + 1)) {
      const at = end < 0 ? path : path.slice(0, end);
      const entry = entryAt(manifest, at);
      if (entry !== undefined && (end < 0 || entry.kind !== 'dir')) leftOut.add(at);
      if (end < 0) break;
    }
  }
  if (leftOut.size === 0) return undefined;
  const directories = new Map<RootPath, Directory>();
  for (const [path, directory] of manifest.directories) {
    if (isWithin(path, leftOut)) continue;
    const entries = directory.entries.filter(({ name }) => !leftOut.has(joinPath(path, name)));
    directories.set(path, entries.length === directory.entries.length ? directory : { path, entries });
  }
  const standIns = relink(manifest, directories, leftOut);
  return { manifest: { root: manifest.root, directories }, leftOut: [...leftOut].sort(), standIns };
}

/** Names of a file that was taken out: the first one left becomes the file, the others its links. */
function relink(
  manifest: Manifest,
  directories: Map<RootPath, Directory>,
  leftOut: ReadonlySet<RootPath>,
): ReadonlyMap<RootPath, RootPath> {
  const firsts = new Map<RootPath, RootPath>();
  for (const path of [...directories.keys()].sort()) {
    const directory = directories.get(path);
    if (directory === undefined) continue;
    let changed = false;
    const entries = directory.entries.map((entry): Entry => {
      if (entry.kind !== 'hardlink' || !isWithin(entry.content, leftOut)) return entry;
      changed = true;
      const first = firsts.get(entry.content);
      if (first !== undefined) return { ...entry, content: first };
      firsts.set(entry.content, joinPath(path, entry.name));
      const file = entryAt(manifest, entry.content);
      return file === undefined ? entry : { ...file, name: entry.name };
    });
    if (changed) directories.set(path, { path, entries });
  }
  return new Map([...firsts].map(([from, at]) => [at, from]));
}

function entryAt(manifest: Manifest, path: RootPath): Entry | undefined {
  const slash = path.lastIndexOf('/');
  const directory = manifest.directories.get(slash < 0 ? '' : path.slice(0, slash));
  const name = path.slice(slash + 1);
  return directory?.entries.find((entry) => entry.name === name);
}
