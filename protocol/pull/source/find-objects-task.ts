import { readFileSync } from 'node:fs';
import { errnoOf, TowError } from '../../base/errors.ts';
import { absolutePath, type RootPath } from '../../base/root-path.ts';
import { encodeObjectPack, type ObjectFile } from '../../chunk/file-pack.ts';
import { readGitIndex } from './ignore/git-index.ts';
import { PackedContents } from './packed-contents.ts';
import type { FindObjectsInput } from './tasks.ts';

/** Of one frame, at most about this much; and what a file takes beside its path. */
const frameBytes = 64 << 10;
const fileBytes = 24;

const nothingMore = { mode: 0, mtimeSec: 0, mtimeNsec: 0, offset: 0, rest: 0, lengths: [] };

/**
 * Which of these paths are objects of these packs, as far as the index of the repository in the root says: it may be that a
 * file was changed since. A split index is taken for what it changes only. Blocking.
 */
export function findObjects({ root, packs, paths }: FindObjectsInput): Uint8Array[] {
  const index = readIndex(root);
  if (index === undefined) return [];
  const wanted = new Set(paths);
  const contents = new PackedContents(root, packs);
  const found = new Map<RootPath, { files: ObjectFile[]; bytes: number }>();
  const frames: Uint8Array[] = [];
  const frame = (pack: RootPath, files: readonly ObjectFile[]): void => {
    if (files.length > 0) frames.push(new Uint8Array(encodeObjectPack({ pack, files })));
  };
  try {
    readGitIndex(index, 20, (names, from, to, gitlink, id) => {
      const path = names.toString('latin1', from, to);
      if (gitlink || !wanted.has(path)) return;
      const content = contents.findObject(index.subarray(id, id + 20));
      if (content === undefined) return;
      const next = found.get(content.pack) ?? { files: [], bytes: 0 };
      found.set(content.pack, next);
      next.files.push({ ...nothingMore, path, object: content.object });
      next.bytes += path.length + fileBytes;
      if (next.bytes < frameBytes) return;
      frame(content.pack, next.files);
      found.delete(content.pack);
    });
  } catch (error) {
    if (!(error instanceof TowError)) throw error;
    // No index that can be read; what was read of it so far is as good as any.
  } finally {
    contents.close();
  }
  for (const [pack, { files }] of found) frame(pack, files);
  return frames;
}

function readIndex(root: string): Buffer | undefined {
  try {
    return readFileSync(absolutePath(root, '.git/index'));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
