import { type Digest } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, chunkLength, isHole } from '../../chunk/entry.ts';
import { indexOfName } from '../../chunk/index-of-name.ts';
import type { Manifest } from '../../chunk/manifest.ts';

/**
 * The data chunks of `part` that the file at the same path of `base` does not have, as first, count, …: ordinals of
 * `part`. Undefined when they are more than `maxBytes`: then it pays to let the replica look for them elsewhere first.
 */
export function newChunks(base: Manifest, part: Manifest, maxBytes: number): number[] | undefined {
  const ranges: number[] = [];
  let ordinal = 0;
  let bytes = 0;
  for (const path of [...part.directories.keys()].sort()) {
    const before = base.directories.get(path)?.entries ?? [];
    for (const { kind, name, content } of part.directories.get(path)?.entries ?? []) {
      if (kind !== 'file') continue;
      const old = before[indexOfName(before, name)];
      const known = old?.kind === 'file' ? old.content : '';
      const has = known === content ? undefined : digestsOf(known);
      for (let at = 0; at < chunkCount(content); at += 1) {
        if (isHole(content, at)) continue;
        if (has?.has(chunkDigest(content, at)) === false) {
          bytes += chunkLength(content, at);
          if (bytes > maxBytes) return undefined;
          addOrdinal(ranges, ordinal);
        }
        ordinal += 1;
      }
    }
  }
  return ranges;
}

function addOrdinal(ranges: number[], ordinal: number): void {
  const first = ranges.at(-2);
  const count = ranges.at(-1);
  if (first !== undefined && count !== undefined && first + count === ordinal) ranges[ranges.length - 1] = count + 1;
  else ranges.push(ordinal, 1);
}

function digestsOf(list: ChunkList): Set<Digest> {
  return new Set(Array.from({ length: chunkCount(list) }, (_, at) => chunkDigest(list, at)));
}
