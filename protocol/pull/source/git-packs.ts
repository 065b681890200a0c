import { lstat, readdir } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.ts';
import { absolutePath, joinPath, parentOf, type RootPath } from '../../base/root-path.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import type { Listing } from './listing.ts';

/** Each is asked for every file. */
const maxPacks = 16;

/** Directories of repositories, and of the submodules that they keep. */
const packDirectory = /(^|\/)\.git\/(modules\/.+\/)?objects\/pack$/;
const ownPacks: RootPath = '.git/objects/pack';

/** The git packs of a tree that is being listed; the largest, if there are many. */
export class GitPacks {
  readonly #root: string;
  readonly #sizes = new Map<RootPath, number>();

  /** Absolute, latin1. */
  constructor(root: string) {
    this.#root = root;
  }

  get paths(): readonly RootPath[] {
    return [...this.#sizes]
      .sort(([, a], [, b]) => b - a)
      .slice(0, maxPacks)
      .map(([path]) => path);
  }

  /** A directory was listed. Those of the tree's own repository are looked for at once: it may be long until they are listed. */
  async add(directory: RootPath, listing: Listing): Promise<void> {
    if (directory === '' && hasRepository(listing))
      for (const { path, size } of await packsIn(this.#root)) this.#sizes.set(path, size);
    if (!packDirectory.test(directory)) return;
    for (const [at, { name }] of [...listing.texts()].entries())
      if (isPack(name) && listing.kind(at) === 'file') this.#sizes.set(joinPath(directory, name), listing.size(at));
  }
}

/** Those of the repository in a root; the largest, if there are many. */
export function gitPacksOf(manifest: Manifest): RootPath[] {
  const entries = manifest.directories.get(ownPacks)?.entries ?? [];
  return entries
    .filter(({ name, kind }) => kind === 'file' && isPack(name))
    .sort((a, b) => b.size - a.size)
    .slice(0, maxPacks)
    .map(({ name }) => joinPath(ownPacks, name));
}

function hasRepository(listing: Listing): boolean {
  return [...listing.texts()].some(({ name }, at) => name === '.git' && listing.kind(at) === 'dir');
}

function isPack(name: string): boolean {
  return name.endsWith('.pack');
}

/** None where they lie behind a symlink: that is all that is sent of them. */
async function packsIn(root: string): Promise<{ readonly path: RootPath; readonly size: number }[]> {
  try {
    for (const path of [parentOf(ownPacks), ownPacks])
      if (!(await lstat(absolutePath(root, path))).isDirectory()) return [];
    const names = await readdir(absolutePath(root, ownPacks), 'latin1');
    const packs = await Promise.all(
      names.filter(isPack).map(async (name) => {
        const path = joinPath(ownPacks, name);
        const stats = await lstat(absolutePath(root, path));
        return stats.isFile() ? [{ path, size: stats.size }] : [];
      }),
    );
    return packs.flat();
  } catch (error) {
    // None, or they changed at this moment.
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

/** What git keeps of its own is in no pack. */
export function isInGit(path: RootPath): boolean {
  return path.startsWith('.git/') || path.includes('/.git/');
}
