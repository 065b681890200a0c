import { readdir, stat } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.ts';
import { absolutePath, joinPath, type RootPath } from '../../base/root-path.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import type { Listing } from './listing.ts';

/** Each is asked for every file. */
const maxPacks = 16;

/** Directories of repositories, and of the submodules that they keep. */
const packDirectory = /(^|\/)\.git\/(modules\/.+\/)?objects\/pack$/;
const ownPacks: RootPath = '.git/objects/pack';

interface GitPack {
  readonly path: RootPath;
  readonly size: number;
}

/** The git packs of a tree that is being listed; the largest, if there are many. */
export class GitPacks {
  readonly #root: string;
  #packs: readonly GitPack[] = [];

  /** Absolute, latin1. */
  constructor(root: string) {
    this.#root = root;
  }

  get paths(): readonly RootPath[] {
    return this.#packs.map(({ path }) => path);
  }

  /** A directory was listed. Those of the tree's own repository are looked for at once: it may be long until they are listed. */
  async add(directory: RootPath, listing: Listing): Promise<void> {
    if (directory === '' && hasRepository(listing)) this.#add(await packsIn(this.#root));
    if (directory !== ownPacks && packDirectory.test(directory))
      this.#add(
        [...listing.texts()].flatMap(({ name }, at) =>
          isPack(name) && listing.kind(at) === 'file'
            ? [{ path: joinPath(directory, name), size: listing.size(at) }]
            : [],
        ),
      );
  }

  #add(packs: readonly GitPack[]): void {
    this.#packs = [...this.#packs, ...packs].sort((a, b) => b.size - a.size).slice(0, maxPacks);
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

async function packsIn(root: string): Promise<GitPack[]> {
  try {
    const names = await readdir(absolutePath(root, ownPacks), 'latin1');
    return await Promise.all(
      names.filter(isPack).map(async (name) => {
        const path = joinPath(ownPacks, name);
        return { path, size: (await stat(absolutePath(root, path))).size };
      }),
    );
  } catch (error) {
    // None, or they changed at this moment.
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}
