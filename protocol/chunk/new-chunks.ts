import { joinPath, type RootPath } from '../base/root-path.ts';
import { type ChunkList, chunkLength, dataChunkCount, isHole, recordBytes } from './entry.ts';
import { indexOfName } from './index-of-name.ts';
import type { Manifest } from './manifest.ts';
import { allPlacesIn } from './record-places.ts';

export interface NewChunks {
  readonly path: RootPath;
  /** Whether `base` has a file there. */
  readonly known: boolean;
  /** Of the whole file. */
  readonly dataChunks: number;
  /** Those that the file of `base` does not have, counted among the data chunks. */
  readonly indexes: readonly number[];
  /** Length of those. */
  readonly bytes: number;
}

/** What each file of `part`, in the order that ordinals count, has that the file at the same path of `base` does not. */
export function* newChunks(base: Manifest, part: Manifest): Generator<NewChunks, void, void> {
  for (const path of [...part.directories.keys()].sort()) {
    const before = base.directories.get(path)?.entries ?? [];
    for (const { kind, name, content } of part.directories.get(path)?.entries ?? []) {
      if (kind !== 'file') continue;
      const old = before[indexOfName(before, name)];
      const known = old?.kind === 'file';
      const has = known ? old.content : '';
      yield { path: joinPath(path, name), known, ...(content === has ? sameAs(content) : added(has, content)) };
    }
  }
}

function sameAs(content: ChunkList): Pick<NewChunks, 'dataChunks' | 'indexes' | 'bytes'> {
  return { dataChunks: dataChunkCount(content), indexes: [], bytes: 0 };
}

function added(before: ChunkList, content: ChunkList): Pick<NewChunks, 'dataChunks' | 'indexes' | 'bytes'> {
  const places = allPlacesIn(Buffer.from(before, 'latin1'), Buffer.from(content, 'latin1'), recordBytes);
  const indexes: number[] = [];
  let dataChunks = 0;
  let bytes = 0;
  for (let at = 0; at < places.length; at += 1) {
    if (isHole(content, at)) continue;
    if ((places[at] ?? 0) < 0) {
      indexes.push(dataChunks);
      bytes += chunkLength(content, at);
    }
    dataChunks += 1;
  }
  return { dataChunks, indexes, bytes };
}

/** Adds an ordinal, beyond all there are, to first, count, first, count, …. */
export function addOrdinal(ranges: number[], ordinal: number): void {
  const first = ranges.at(-2);
  const count = ranges.at(-1);
  if (first !== undefined && count !== undefined && first + count === ordinal) ranges[ranges.length - 1] = count + 1;
  else ranges.push(ordinal, 1);
}
