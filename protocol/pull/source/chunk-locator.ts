/**
 * Finds chunks by ordinal: the data chunks of a manifest, counted from 0 over the root, then directories in path order,
 * entries in name order, chunks in file order. Keeps one number a directory, and walks forward from there.
 */
import { TowError } from '../../base/errors.ts';
import { joinPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import {
  type ChunkList,
  chunkCount,
  chunkLength,
  dataChunkCount,
  type Entry,
  isHole,
  recordBytes,
} from '../../chunk/entry.ts';
import { dataChunks, type Manifest } from '../../chunk/manifest.ts';
import { type ChunkRun, packMaxRuns } from '../../chunk/pack.ts';
import type { PackPart } from './tasks.ts';

interface Group {
  /** Undefined for the root itself. */
  readonly path: RootPath | undefined;
  readonly entries: readonly Entry[];
  /** Ordinal of its first chunk. */
  readonly first: number;
}

/** What one pack holds. */
export interface PackPlan {
  readonly runs: readonly ChunkRun[];
  readonly parts: readonly PackPart[];
  readonly rawBytes: number;
}

const filesTogetherBytes = 256 << 10;

export class ChunkLocator {
  readonly #groups: readonly Group[];
  readonly #count: number;

  private constructor(groups: readonly Group[], count: number) {
    this.#groups = groups;
    this.#count = count;
  }

  /** Counts every chunk, a few milliseconds at a time. */
  static async of(manifest: Manifest): Promise<ChunkLocator> {
    const turns = new Turns();
    const groups: Group[] = [{ path: undefined, entries: [manifest.root], first: 0 }];
    let count = chunksOf(manifest.root);
    for (const path of [...manifest.directories.keys()].sort()) {
      const directory = manifest.directories.get(path);
      if (directory === undefined) continue;
      groups.push({ path, entries: directory.entries, first: count });
      count += dataChunks(directory);
      if (turns.over) await turns.next();
    }
    return new ChunkLocator(groups, count);
  }

  /** Chunks of the whole manifest. */
  get count(): number {
    return this.#count;
  }

  /** The files that chunks of `ranges` (first, count, …) are in. Throws as `plan`. */
  *files(ranges: readonly number[]): Generator<RootPath, void, void> {
    let before: RootPath | undefined;
    for (const { parts } of this.plan(ranges, () => filesTogetherBytes)) {
      for (const { path } of parts) if (path !== before) yield path;
      before = parts.at(-1)?.path;
    }
  }

  /**
   * Packs for `ranges` (first, count, …), each of about `targetBytes`, asked as it is begun. Throws `bad-message` when they are not ascending or beyond the end; that shows
   * only when the range is reached.
   */
  *plan(ranges: readonly number[], targetBytes: () => number): Generator<PackPlan, void, void> {
    let pack = new PackBuilder(targetBytes());
    const cursor = new Cursor(this.#groups);
    let next = 0;
    for (let at = 0; at < ranges.length; at += 2) {
      const first = ranges[at] ?? 0;
      const end = first + (ranges[at + 1] ?? 0);
      if (first < next || end <= first || end > this.#count) {
        throw new TowError('bad-message', `chunks ${first} to ${end} of ${this.#count} were asked for`);
      }
      next = end;
      cursor.skipTo(first);
      for (let ordinal = first; ordinal < end; ordinal += 1) {
        const chunk = cursor.take();
        if (pack.fullFor(chunk.length)) {
          yield pack.plan();
          pack = new PackBuilder(targetBytes());
        }
        pack.add(ordinal, chunk);
      }
    }
    if (pack.rawBytes > 0) yield pack.plan();
  }
}

interface Found {
  readonly path: RootPath;
  readonly list: ChunkList;
  readonly index: number;
  /** In the file. */
  readonly offset: number;
  readonly length: number;
}

/** A place among the chunks that moves forward only. */
class Cursor {
  readonly #groups: readonly Group[];
  #group = 0;
  #entry = 0;
  #chunk = 0;
  #offset = 0;
  #ordinal = 0;

  constructor(groups: readonly Group[]) {
    this.#groups = groups;
  }

  skipTo(ordinal: number): void {
    let low = this.#group;
    let high = this.#groups.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#groups[middle]?.first ?? 0) <= ordinal) low = middle;
      else high = middle - 1;
    }
    if (low !== this.#group) this.#enter(low);
    while (this.#ordinal < ordinal) {
      const entry = this.#groups[this.#group]?.entries[this.#entry];
      const chunks = this.#chunk === 0 && entry !== undefined ? chunksOf(entry) : Number.POSITIVE_INFINITY;
      if (this.#ordinal + chunks <= ordinal) {
        this.#ordinal += chunks;
        this.#entry += 1;
      } else this.take();
    }
  }

  #enter(group: number): void {
    this.#group = group;
    this.#entry = 0;
    this.#chunk = 0;
    this.#offset = 0;
    this.#ordinal = this.#groups[group]?.first ?? 0;
  }

  /** The next chunk. There must be one. */
  take(): Found {
    for (;;) {
      const group = this.#groups[this.#group];
      if (group === undefined) throw new Error('this is a bug: went beyond the last chunk');
      const entry = group.entries[this.#entry];
      if (entry === undefined) {
        this.#enter(this.#group + 1);
        continue;
      }
      const list = entry.kind === 'file' ? entry.content : '';
      if (this.#chunk >= chunkCount(list)) {
        this.#entry += 1;
        this.#chunk = 0;
        this.#offset = 0;
        continue;
      }
      const index = this.#chunk;
      const offset = this.#offset;
      const length = chunkLength(list, index);
      this.#chunk += 1;
      this.#offset += length;
      if (isHole(list, index)) continue;
      this.#ordinal += 1;
      return { path: group.path === undefined ? '' : joinPath(group.path, entry.name), list, index, offset, length };
    }
  }
}

/** Fills one pack. Neighbours in a file become one part, so that they are read at once. */
class PackBuilder {
  readonly #runs: { first: number; count: number }[] = [];
  readonly #parts: { path: RootPath; offset: number; list: ChunkList; from: number; to: number }[] = [];
  readonly #targetBytes: number;
  #rawBytes = 0;

  constructor(targetBytes: number) {
    this.#targetBytes = targetBytes;
  }

  get rawBytes(): number {
    return this.#rawBytes;
  }

  fullFor(length: number): boolean {
    return this.#rawBytes > 0 && (this.#rawBytes + length > this.#targetBytes || this.#runs.length >= packMaxRuns);
  }

  add(ordinal: number, chunk: Found): void {
    this.#rawBytes += chunk.length;
    const run = this.#runs.at(-1);
    if (run !== undefined && run.first + run.count === ordinal) run.count += 1;
    else this.#runs.push({ first: ordinal, count: 1 });
    const part = this.#parts.at(-1);
    if (part !== undefined && part.list === chunk.list && part.path === chunk.path && part.to === chunk.index)
      part.to += 1;
    else {
      const { path, offset, list, index } = chunk;
      this.#parts.push({ path, offset, list, from: index, to: index + 1 });
    }
  }

  plan(): PackPlan {
    const parts = this.#parts.map(({ path, offset, list, from, to }) => ({
      path,
      offset,
      list: list.slice(from * recordBytes, to * recordBytes),
    }));
    return { runs: this.#runs, parts, rawBytes: this.#rawBytes };
  }
}

function chunksOf(entry: Entry): number {
  return entry.kind === 'file' ? dataChunkCount(entry.content) : 0;
}
