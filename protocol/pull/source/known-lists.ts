import { joinPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import { indexOfName } from '../../chunk/index-of-name.ts';
import type { OpenDirectory } from './open-directory.ts';
import type { ScannedDirectory } from './scanned-directory.ts';
import { rootItself } from './tasks.ts';

/** A file that must be read. */
interface Job {
  readonly directory: OpenDirectory;
  readonly at: number;
  readonly path: RootPath;
}

/** Files from this many bytes on are told what they were: finding their cuts again is what takes long. */
const knownFromBytes = 256 << 10;

/** What files were before, by their index in `jobs`. */
export function knownLists(jobs: readonly Job[]): Map<number, ChunkList> {
  const known = new Map<number, ChunkList>();
  for (const [index, { directory, at }] of jobs.entries()) {
    const list = directory.listing.size(at) < knownFromBytes ? undefined : directory.formerly(at);
    if (list !== undefined) known.set(index, list);
  }
  return known;
}

/** Whose content a file is likely to have. */
export interface Likeness {
  readonly path: RootPath;
  readonly list: ChunkList;
}

/** The large files of the last scan by size: one that is new may be a copy of one of them. */
export class LargeFiles {
  readonly #bySize = new Map<number, { readonly scanned: ScannedDirectory; readonly at: number }>();

  private constructor() {}

  /** Those from `fromBytes` on. A few milliseconds at a time. */
  static async of(directories: ReadonlyMap<RootPath, ScannedDirectory>, fromBytes: number): Promise<LargeFiles> {
    const files = new LargeFiles();
    const turns = new Turns();
    for (const scanned of directories.values()) {
      if (turns.over) await turns.next();
      const { listing, path } = scanned;
      if (path === rootItself) continue;
      for (let at = 0; at < listing.count; at += 1)
        if (listing.size(at) >= fromBytes && listing.kind(at) === 'file')
          files.#bySize.set(listing.size(at), { scanned, at });
    }
    return files;
  }

  ofSize(size: number): Likeness | undefined {
    const found = this.#bySize.get(size);
    if (found === undefined) return undefined;
    const { path, listing, directory } = found.scanned;
    const { name = '' } = [...listing.texts()][found.at] ?? {};
    const entry = directory.entries[indexOfName(directory.entries, name)];
    return entry?.kind === 'file' ? { path: joinPath(path, name), list: entry.content } : undefined;
  }
}
