import { throwIfAborted } from '../../base/abort.ts';
import { joinPath, nameOf, parentOf, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { Digest } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, isHole, recordBytes } from '../../chunk/entry.ts';
import { indexOfName } from '../../chunk/index-of-name.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { addOrdinal } from '../../chunk/new-chunks.ts';

/** Chunks that are looked at between two looks at the clock. */
const chunksTogether = 1024;

/**
 * What a replica that is at `base` lacks of `part`, each chunk once, as ordinals of `part` (first, count, …), in the order
 * that it would ask for it: it looks for chunks in all of its root, and so does this. Some milliseconds at a time: 0.6 µs a
 * chunk of `part` that is not where it was, less than half of that one of `base`.
 */
export async function foresee(base: Manifest, part: Manifest, signal: AbortSignal): Promise<number[]> {
  const turns = new Turns();
  const pause = async (): Promise<void> => {
    await turns.next();
    throwIfAborted(signal);
  };
  const lacking = new Map<Digest, number>();
  /** Whether any digest that is looked for begins with these two bytes: most need no closer look. */
  const beginnings = new Uint8Array(1 << 16);
  let ordinal = 0;
  let former = new FormerList('');
  for (const { path, list, from, to } of stretches(part)) {
    if (from === 0) former = new FormerList(contentAt(base, path));
    for (let at = from; at < to; at += 1) {
      if (isHole(list, at)) continue;
      ordinal += 1;
      if (former.hasNext(list, at)) continue;
      const digest = chunkDigest(list, at);
      if (!lacking.has(digest)) lacking.set(digest, ordinal - 1);
      beginnings[beginning(list, at)] = 1;
    }
    if (turns.over) await pause();
  }
  for (const { list, from, to } of stretches(base)) {
    for (let at = from; at < to; at += 1)
      if (beginnings[beginning(list, at)] === 1) lacking.delete(chunkDigest(list, at));
    if (turns.over) await pause();
  }
  const ranges: number[] = [];
  for (const at of lacking.values()) addOrdinal(ranges, at);
  return ranges;
}

interface Stretch {
  readonly path: RootPath;
  readonly list: ChunkList;
  readonly from: number;
  readonly to: number;
}

/** Chunks of the files of a manifest, in the order that ordinals count, some at a time. */
function* stretches({ directories }: Manifest): Generator<Stretch, void, void> {
  for (const path of [...directories.keys()].sort()) {
    for (const { kind, name, content: list } of directories.get(path)?.entries ?? []) {
      const count = kind === 'file' ? chunkCount(list) : 0;
      for (let from = 0; from < count; from += chunksTogether)
        yield { path: joinPath(path, name), list, from, to: Math.min(count, from + chunksTogether) };
    }
  }
}

function contentAt({ directories }: Manifest, path: RootPath): ChunkList {
  const entries = directories.get(parentOf(path))?.entries ?? [];
  const entry = entries[indexOfName(entries, nameOf(path))];
  return entry?.kind === 'file' ? entry.content : '';
}

/** How many records further on a chunk is looked for that is not the next one. */
const recordsAhead = 8;

/** The chunks that a file had, gone through beside those that it has: most are the same. */
class FormerList {
  readonly #list: ChunkList;
  #next = 0;
  /** Chunks in a row that were not there. */
  #missed = 0;

  constructor(list: ChunkList) {
    this.#list = list;
  }

  /** Whether a chunk of the new list is the next one of the former, or soon comes there. */
  hasNext(list: ChunkList, at: number): boolean {
    if (this.#list === '') return false;
    const record = list.slice(at * recordBytes, (at + 1) * recordBytes);
    // Where some were overwritten, about as many came.
    const first = this.#next + Math.max(0, this.#missed - recordsAhead / 2);
    const ahead = this.#list.slice(first * recordBytes, (first + recordsAhead) * recordBytes);
    const found = ahead.indexOf(record);
    if (found < 0 || found % recordBytes !== 0) {
      this.#missed += 1;
      return false;
    }
    this.#next = first + found / recordBytes + 1;
    this.#missed = 0;
    return true;
  }
}

function beginning(list: ChunkList, at: number): number {
  return (list.charCodeAt(at * recordBytes) << 8) | list.charCodeAt(at * recordBytes + 1);
}
