import { parentOf } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { Digest } from '../../chunk/digest.ts';
import { chunkCount, chunkDigest, isHole } from '../../chunk/entry.ts';
import { type Directory, dataChunks, type Manifest } from '../../chunk/manifest.ts';
import type { ManifestDelta } from '../../chunk/manifest-delta.ts';
import { addOrdinal } from '../../chunk/new-chunks.ts';
import { ChunkLocator } from './chunk-locator.ts';
import type { Foreseen } from './pack-sender.ts';

/** Of more chunks than this it takes as long to tell which are new as the replica takes: large files, renamed directories. */
const maxChunks = 1 << 13;

/**
 * What a replica with `base` is likely to ask for, in the order that it does, as ordinals of the delta's part: the chunks
 * that no file had in a directory that something changed in, each once. It looks through its whole root, so it may ask for
 * fewer. Undefined where that is not worth finding out. Some milliseconds at a time.
 */
export async function foresee(base: Manifest, { part, removed }: ManifestDelta): Promise<Foreseen | undefined> {
  const directories = [...part.directories.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  if (directories.reduce((sum, directory) => sum + dataChunks(directory), 0) > maxChunks) return undefined;
  const turns = new Turns();
  const lacking = new Map<Digest, number>();
  let ordinal = 0;
  for (const directory of directories) {
    for (const digest of digestsOf(directory)) {
      if (!lacking.has(digest)) lacking.set(digest, ordinal);
      ordinal += 1;
      if (turns.over) await turns.next();
    }
  }
  for (const path of new Set([...part.directories.keys(), ...removed, ...removed.map(parentOf)])) {
    const directory = base.directories.get(path);
    for (const digest of directory === undefined ? [] : digestsOf(directory)) {
      lacking.delete(digest);
      if (turns.over) await turns.next();
    }
  }
  const ranges: number[] = [];
  for (const at of lacking.values()) addOrdinal(ranges, at);
  return { locator: await ChunkLocator.of(part), ranges };
}

/** Of its data chunks, in the order that ordinals count. */
function* digestsOf({ entries }: Directory): Generator<Digest, void, void> {
  for (const { kind, content } of entries) {
    if (kind !== 'file') continue;
    for (let at = 0; at < chunkCount(content); at += 1) if (!isHole(content, at)) yield chunkDigest(content, at);
  }
}
