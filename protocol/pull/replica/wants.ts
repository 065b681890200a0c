/**
 * The chunks that staged files still need: which places each goes to, and its ordinal on the wire (see wire/pull.ts,
 * `pull.chunks`). A chunk wanted in many places is fetched once.
 */
import { joinPath, parentOf, type RootPath } from '../../base/root-path.ts';
import type { Digest } from '../../chunk/digest.ts';
import {
  type ChunkList,
  chunkCount,
  chunkDigest,
  chunkLength,
  dataChunkCount,
  isHole,
  recordBytes,
} from '../../chunk/entry.ts';
import { dataChunks, type Manifest } from '../../chunk/manifest.ts';
import type { StagedFile } from './staged-file.ts';

export interface Place {
  readonly file: StagedFile;
  readonly offset: number;
}

interface Want {
  readonly ordinal: number;
  readonly length: number;
  readonly places: Place[];
}

export class Wants {
  readonly #wants = new Map<Digest, Want>();
  readonly #byOrdinal = new Map<number, Digest>();
  /** Whether any wanted digest begins with these two bytes: most of a root's chunks need no closer look. */
  readonly #beginnings = new Uint8Array(1 << 16);
  #bytes = 0;
  #open: StagedFile | undefined;

  get count(): number {
    return this.#wants.size;
  }

  /** Bytes wanted, each chunk once. */
  get bytes(): number {
    return this.#bytes;
  }

  has(digest: Digest): boolean {
    return this.#wants.has(digest);
  }

  /** False when a chunk of a list is certainly not wanted. */
  mayHave(list: ChunkList, index: number): boolean {
    return this.#beginnings[beginning(list, index * recordBytes)] === 1;
  }

  /** Adds data chunks of a file. `firstOrdinal` is that of its first data chunk; `indexes` ascend. */
  add(file: StagedFile, firstOrdinal: number, indexes: readonly number[]): void {
    const { content } = file.entry;
    let next = 0;
    let offset = 0;
    let ordinal = firstOrdinal;
    for (let at = 0; at < chunkCount(content) && next < indexes.length; at += 1) {
      const length = chunkLength(content, at);
      if (indexes[next] === at) {
        this.#addPlace(chunkDigest(content, at), ordinal, length, { file, offset });
        next += 1;
      }
      if (!isHole(content, at)) ordinal += 1;
      offset += length;
    }
  }

  #addPlace(digest: Digest, ordinal: number, length: number, place: Place): void {
    const want = this.#wants.get(digest);
    if (want !== undefined) {
      want.places.push(place);
      return;
    }
    this.#wants.set(digest, { ordinal, length, places: [place] });
    this.#byOrdinal.set(ordinal, digest);
    this.#beginnings[beginning(digest, 0)] = 1;
    this.#bytes += length;
  }

  /** Digest and length of a wanted ordinal; undefined for one that nobody asked for, or that came already. */
  at(ordinal: number): { readonly digest: Digest; readonly length: number } | undefined {
    const digest = this.#byOrdinal.get(ordinal);
    const want = digest === undefined ? undefined : this.#wants.get(digest);
    return digest === undefined || want === undefined ? undefined : { digest, length: want.length };
  }

  /** Where a chunk is wanted. */
  placesOf(digest: Digest): readonly Place[] {
    return this.#wants.get(digest)?.places ?? [];
  }

  /** Writes a chunk, proven to have this digest, to every place that wants it. Returns how many files it finished. Blocking. */
  satisfy(digest: Digest, bytes: Uint8Array): number {
    return this.#settle(digest, ({ file, offset }) => file.write(bytes, offset));
  }

  /** A chunk has been copied (`copyTo`) to every place that wants it. Returns how many files it finished. Blocking. */
  landed(digest: Digest): number {
    return this.#settle(digest, ({ file }) => file.landed());
  }

  #settle(digest: Digest, put: (place: Place) => boolean): number {
    const want = this.#wants.get(digest);
    if (want === undefined) return 0;
    this.#wants.delete(digest);
    this.#byOrdinal.delete(want.ordinal);
    this.#bytes -= want.length;
    let finished = 0;
    for (const place of want.places) {
      this.#use(place.file);
      if (put(place)) finished += 1;
    }
    return finished;
  }

  /** Copies a range of an open file; its chunks stay wanted until they have `landed`. False when that file is too short. Blocking. */
  copyTo({ file, offset }: Place, fd: number, from: number, length: number): boolean {
    this.#use(file);
    return file.copyFrom(fd, from, offset, length);
  }

  /** One file stays open for its next chunk; a chunk that goes to a thousand files must not hold a thousand open. */
  #use(file: StagedFile): void {
    if (this.#open !== file) this.#open?.close();
    this.#open = file;
  }

  /** The ordinals still wanted as first, count, first, count, …, ascending, cut into lists of at most `maxRuns` runs; without those of `but`. */
  ranges(maxRuns: number, but?: ReadonlySet<Digest>): number[][] {
    const lists: number[][] = [];
    let list: number[] = [];
    const wanted: number[] = [];
    for (const [ordinal, digest] of this.#byOrdinal) if (but?.has(digest) !== true) wanted.push(ordinal);
    for (const ordinal of wanted.sort((a, b) => a - b)) {
      const first = list.at(-2);
      const count = list.at(-1);
      if (first !== undefined && count !== undefined && first + count === ordinal) {
        list[list.length - 1] = count + 1;
        continue;
      }
      if (list.length === 2 * maxRuns) {
        lists.push(list);
        list = [];
      }
      list.push(ordinal, 1);
    }
    if (list.length > 0) lists.push(list);
    return lists;
  }

  /** Closes the file that is open for its next chunk. */
  close(): void {
    this.#open?.close();
    this.#open = undefined;
  }
}

function beginning(text: string, at: number): number {
  return (text.charCodeAt(at) << 8) | text.charCodeAt(at + 1);
}

/** The ordinal of the first data chunk of every file at one of `paths`. */
export function firstOrdinals(manifest: Manifest, paths: ReadonlySet<RootPath>): Map<RootPath, number> {
  const ordinals = new Map<RootPath, number>();
  if (paths.has('')) ordinals.set('', 0);
  let next = manifest.root.kind === 'file' ? dataChunkCount(manifest.root.content) : 0;
  const wanted = new Set([...paths].map(parentOf));
  for (const path of [...manifest.directories.keys()].sort()) {
    const directory = manifest.directories.get(path);
    if (directory === undefined) continue;
    if (!wanted.has(path)) {
      next += dataChunks(directory);
      continue;
    }
    for (const entry of directory.entries) {
      if (entry.kind !== 'file') continue;
      const file = joinPath(path, entry.name);
      if (paths.has(file)) ordinals.set(file, next);
      next += dataChunkCount(entry.content);
    }
  }
  return ordinals;
}
