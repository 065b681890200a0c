import { throwIfAborted } from '../../base/abort.ts';
import { Turns } from '../../base/turns.ts';
import type { Digest } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, recordBytes } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { addOrdinal, newChunks } from '../../chunk/new-chunks.ts';

/** Chunks that are looked at between two looks at the clock. */
const chunksTogether = 1024;

/**
 * What a replica that is at `base` lacks of `part`, each chunk once, as ordinals of `part` (first, count, …), in the order
 * that it would ask for it: it looks for chunks in all of its root, and so does this. Some milliseconds at a time.
 */
export async function foresee(base: Manifest, part: Manifest, signal: AbortSignal): Promise<number[]> {
  const turns = new Turns();
  const lacking = new Map<Digest, number>();
  /** Whether any digest that is looked for begins with these two bytes: most need no closer look. */
  const beginnings = new Uint8Array(1 << 16);
  let first = 0;
  for await (const { content, indexes, records, dataChunks } of newChunks(base, part, turns)) {
    throwIfAborted(signal);
    for (const [at, record] of records.entries()) {
      const digest = chunkDigest(content, record);
      if (!lacking.has(digest)) lacking.set(digest, first + (indexes[at] ?? 0));
      beginnings[beginning(content, record)] = 1;
      if (at % chunksTogether === 0 && turns.over) {
        await turns.next();
        throwIfAborted(signal);
      }
    }
    first += dataChunks;
  }
  if (lacking.size > 0)
    for (const { list, from, to } of stretches(base)) {
      for (let at = from; at < to; at += 1)
        if (beginnings[beginning(list, at)] === 1) lacking.delete(chunkDigest(list, at));
      if (turns.over) await turns.next();
      throwIfAborted(signal);
    }
  const ranges: number[] = [];
  for (const at of lacking.values()) addOrdinal(ranges, at);
  return ranges;
}

interface Stretch {
  readonly list: ChunkList;
  readonly from: number;
  readonly to: number;
}

/** Chunks of the files of a manifest, some at a time. */
function* stretches({ directories }: Manifest): Generator<Stretch, void, void> {
  for (const { entries } of directories.values()) {
    for (const { kind, content: list } of entries) {
      const count = kind === 'file' ? chunkCount(list) : 0;
      for (let from = 0; from < count; from += chunksTogether)
        yield { list, from, to: Math.min(count, from + chunksTogether) };
    }
  }
}

function beginning(list: ChunkList, at: number): number {
  return (list.charCodeAt(at * recordBytes) << 8) | list.charCodeAt(at * recordBytes + 1);
}
