import { joinPath, type RootPath } from '../base/root-path.ts';
import type { Turns } from '../base/turns.ts';
import { type ChunkList, chunkLength, dataChunkCount, isHole, recordBytes } from './entry.ts';
import { indexOfName } from './index-of-name.ts';
import type { Manifest } from './manifest.ts';
import { placesInTurns } from './record-places.ts';

/** Chunks between two looks at the clock. */
const chunksTogether = 4096;

export interface NewChunks {
  readonly path: RootPath;
  readonly content: ChunkList;
  /** Whether `base` has a file there. */
  readonly known: boolean;
  /** Of the whole file. */
  readonly dataChunks: number;
  /** Those that the file of `base` does not have, counted among the data chunks; and their records. */
  readonly indexes: readonly number[];
  readonly records: readonly number[];
  /** Length of those. */
  readonly bytes: number;
}

type Added = Pick<NewChunks, 'dataChunks' | 'indexes' | 'records' | 'bytes'>;

/** What each file of `part`, in the order that ordinals count, has that the file at the same path of `base` does not. A few milliseconds at a time. */
export async function* newChunks(base: Manifest, part: Manifest, turns: Turns): AsyncGenerator<NewChunks, void, void> {
  for (const path of [...part.directories.keys()].sort()) {
    const before = base.directories.get(path)?.entries ?? [];
    for (const { kind, name, content } of part.directories.get(path)?.entries ?? []) {
      if (kind !== 'file') continue;
      if (turns.over) await turns.next();
      const old = before[indexOfName(before, name)];
      const known = old?.kind === 'file';
      const has = known ? old.content : '';
      const added = content === has ? nothing(content) : await addedTo(has, content, turns);
      yield { path: joinPath(path, name), content, known, ...added };
    }
  }
}

function nothing(content: ChunkList): Added {
  return { dataChunks: dataChunkCount(content), indexes: [], records: [], bytes: 0 };
}

async function addedTo(before: ChunkList, content: ChunkList, turns: Turns): Promise<Added> {
  const [old, now] = [Buffer.from(before, 'latin1'), Buffer.from(content, 'latin1')];
  const places = await placesInTurns(old, now, recordBytes, turns);
  const indexes: number[] = [];
  const records: number[] = [];
  let dataChunks = 0;
  let bytes = 0;
  for (let at = 0; at < places.length; at += 1) {
    if (isHole(content, at)) continue;
    if ((places[at] ?? 0) < 0) {
      indexes.push(dataChunks);
      records.push(at);
      bytes += chunkLength(content, at);
    }
    dataChunks += 1;
    if (at % chunksTogether === 0 && turns.over) await turns.next();
  }
  return { dataChunks, indexes, records, bytes };
}

/** Adds an ordinal, beyond all there are, to first, count, first, count, …. */
export function addOrdinal(ranges: number[], ordinal: number): void {
  const first = ranges.at(-2);
  const count = ranges.at(-1);
  if (first !== undefined && count !== undefined && first + count === ordinal) ranges[ranges.length - 1] = count + 1;
  else ranges.push(ordinal, 1);
}
