import { joinPath, type RootPath } from '../../base/root-path.ts';
import { type ChunkList, type Entry, sameEntry } from '../../chunk/entry.ts';
import { indexOfName } from '../../chunk/index-of-name.ts';
import type { Listing } from './listing.ts';
import { entryOf, type FileContent, type ScannedDirectory } from './scanned-directory.ts';
import { rootItself } from './tasks.ts';

/** A directory some of whose files are still to be read. Becomes a `ScannedDirectory` when none is. */
export class OpenDirectory {
  readonly path: RootPath;
  /** Its own copy: it is restamped as files are read. */
  readonly listing: Listing;
  readonly #previous: ScannedDirectory | undefined;
  readonly #names: readonly { readonly name: string; readonly text: string }[];
  readonly #files: (FileContent | 'gone' | undefined)[] = [];
  #left = 0;

  constructor(path: RootPath, listing: Listing, previous: ScannedDirectory | undefined) {
    this.path = path;
    this.listing = listing;
    this.#previous = previous;
    this.#names = [...listing.texts()];
    for (let at = 0; at < listing.count; at += 1) if (listing.kind(at) === 'file') this.#left += 1;
  }

  /** Whether what became of every file is known. */
  get complete(): boolean {
    return this.#left === 0;
  }

  pathOf(at: number): RootPath {
    const name = this.#names[at]?.name ?? '';
    return this.path === rootItself ? name : joinPath(this.path, name);
  }

  /** The chunk list that a file of that name had last time. */
  formerly(at: number): ChunkList | undefined {
    const entries = this.#previous?.directory.entries ?? [];
    const entry = entries[indexOfName(entries, this.#names[at]?.name ?? '')];
    return entry?.kind === 'file' ? entry.content : undefined;
  }

  settle(at: number, file: FileContent | 'gone'): void {
    this.#files[at] = file;
    this.#left -= 1;
  }

  /** For each record, the chunk list that the file had, if its record is the same as last time. */
  unchanged(): (string | undefined)[] {
    return this.#same().map((entry) => (entry?.kind === 'file' ? entry.content : undefined));
  }

  /** For each record, the entry of last time, if the record is the same. */
  #same(): (Entry | undefined)[] {
    const same: (Entry | undefined)[] = [];
    const before = this.#previous;
    if (before === undefined) return same;
    const { entries } = before.directory;
    const names = [...before.listing.texts()];
    let beforeAt = 0;
    let entryAt = 0;
    for (const [at, { name }] of this.#names.entries()) {
      while (beforeAt < names.length && (names[beforeAt]?.name ?? '') < name) beforeAt += 1;
      while (entryAt < entries.length && (entries[entryAt]?.name ?? '') < name) entryAt += 1;
      const entry = entries[entryAt];
      const there = names[beforeAt]?.name === name && entry?.name === name;
      same.push(there && this.listing.sameRecord(at, before.listing, beforeAt) ? entry : undefined);
    }
    return same;
  }

  /** Shares the entries, and the directory, of last time that have come out the same. */
  close(): ScannedDirectory {
    const entries: Entry[] = [];
    const same = this.#same();
    for (const [at, { name, text }] of this.#names.entries()) {
      const file = this.#files[at];
      if (file === 'gone') continue;
      const old = same[at];
      const content = file === undefined ? text : file.content;
      const kind = file?.kind ?? this.listing.kind(at);
      if (old?.kind === kind && old.content === content) entries.push(old);
      else entries.push(entryOf(this.listing, at, name, text, file));
    }
    const before = this.#previous?.directory;
    const unchanged =
      before?.entries.length === entries.length &&
      before.entries.every((entry, at) => {
        const now = entries[at];
        return now === entry || (now !== undefined && now.name === entry.name && sameEntry(now, entry));
      });
    return { path: this.path, listing: this.listing, directory: unchanged ? before : { path: this.path, entries } };
  }
}
