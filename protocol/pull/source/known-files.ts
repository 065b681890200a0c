import type { RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import type { Listing } from './listing.ts';
import type { ScannedDirectory } from './scanned-directory.ts';

/** Smaller files are read again sooner than they are looked up. */
const fromBytes = 16 << 10;

interface Known {
  readonly listing: Listing;
  readonly at: number;
  readonly content: ChunkList;
}

/**
 * Files of the last scan by inode: a directory that was renamed holds files that nobody touched, whatever their paths.
 * The same record (inode, ctime, mtime, size, mode) means the same contents, as it does for a file that stayed.
 */
export class KnownFiles {
  readonly #byInode = new Map<bigint, Known>();

  private constructor() {}

  /** A few milliseconds at a time. */
  static async of(directories: ReadonlyMap<RootPath, ScannedDirectory>): Promise<KnownFiles> {
    const known = new KnownFiles();
    const turns = new Turns();
    for (const scanned of directories.values()) {
      if (turns.over) await turns.next();
      known.#add(scanned);
    }
    return known;
  }

  #add({ listing, directory }: ScannedDirectory): void {
    const contents = new Map<string, ChunkList>();
    for (const { kind, name, content, size } of directory.entries)
      if (kind === 'file' && size >= fromBytes) contents.set(name, content);
    if (contents.size === 0) return;
    let at = 0;
    for (const { name } of listing.texts()) {
      const content = contents.get(name);
      if (content !== undefined) this.#byInode.set(listing.ino(at), { listing, at, content });
      at += 1;
    }
  }

  /** For each record of a directory that is new, the chunk list of the same file elsewhere. */
  unchanged(seen: Listing): (ChunkList | undefined)[] {
    return Array.from({ length: seen.count }, (_, at) => {
      const known = seen.kind(at) === 'file' ? this.#byInode.get(seen.ino(at)) : undefined;
      return known !== undefined && seen.sameRecord(at, known.listing, known.at) ? known.content : undefined;
    });
  }
}
