import type { ChunkList } from './entry.ts';
import type { Manifest } from './manifest.ts';

/** The chunk lists of all files, in the order in which data chunks are numbered (wire/pull.ts, `pull.chunks`). */
export function* chunkLists({ root, directories }: Manifest): Generator<ChunkList, void, void> {
  if (root.kind === 'file') yield root.content;
  for (const path of [...directories.keys()].sort())
    for (const { kind, content } of directories.get(path)?.entries ?? []) if (kind === 'file') yield content;
}
