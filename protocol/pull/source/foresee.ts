import { Turns } from '../../base/turns.ts';
import type { Digest } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, isHole, recordBytes } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { addOrdinal } from '../../chunk/new-chunks.ts';

/**
 * What a replica that is at `base` lacks of `part`, each chunk once, as ordinals of `part` (first, count, …), in the order
 * that it would ask for it: it looks for chunks in all of its root, and so does this. Some milliseconds at a time; a
 * million chunks take some ten.
 */
export async function foresee(base: Manifest, part: Manifest): Promise<number[]> {
  const turns = new Turns();
  const lacking = new Map<Digest, number>();
  /** Whether any digest that is looked for begins with these two bytes: most need no closer look. */
  const beginnings = new Uint8Array(1 << 16);
  let ordinal = 0;
  for (const path of [...part.directories.keys()].sort()) {
    for (const list of fileLists(part, path)) {
      for (let at = 0; at < chunkCount(list); at += 1) {
        if (isHole(list, at)) continue;
        const digest = chunkDigest(list, at);
        if (!lacking.has(digest)) lacking.set(digest, ordinal);
        beginnings[beginning(list, at)] = 1;
        ordinal += 1;
      }
      if (turns.over) await turns.next();
    }
  }
  for (const path of base.directories.keys()) {
    for (const list of fileLists(base, path))
      for (let at = 0; at < chunkCount(list); at += 1)
        if (beginnings[beginning(list, at)] === 1) lacking.delete(chunkDigest(list, at));
    if (turns.over) await turns.next();
  }
  const ranges: number[] = [];
  for (const at of lacking.values()) addOrdinal(ranges, at);
  return ranges;
}

function* fileLists({ directories }: Manifest, path: string): Generator<ChunkList, void, void> {
  for (const { kind, content } of directories.get(path)?.entries ?? []) if (kind === 'file') yield content;
}

function beginning(list: ChunkList, at: number): number {
  return (list.charCodeAt(at * recordBytes) << 8) | list.charCodeAt(at * recordBytes + 1);
}
