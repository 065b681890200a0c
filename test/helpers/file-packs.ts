import { readFileSync } from 'node:fs';
import { joinPath } from '../../protocol/base/root-path.ts';
import { chunkCount, chunkLength, type Entry } from '../../protocol/chunk/entry.ts';
import { encodeFilePackHeader, type PackedFile } from '../../protocol/chunk/file-pack.ts';
import type { PlainSnapshot } from './plain-source.ts';

/** The file packs of a tree, one a file, or a piece of `pieceChunks` chunks of one. */
export function filePacks(
  root: string,
  { manifest }: PlainSnapshot,
  wanted: (path: string) => boolean = () => true,
  pieceChunks = Number.POSITIVE_INFINITY,
): Buffer[] {
  const packs: Buffer[] = [];
  for (const [directory, { entries }] of manifest.directories)
    for (const entry of entries) {
      const path = joinPath(directory, entry.name);
      if (entry.kind !== 'file' || !wanted(path)) continue;
      const bytes = readFileSync(Buffer.from(`${root}/${path}`, 'latin1'));
      for (const piece of pieces(path, entry, pieceChunks)) packs.push(packOf(piece, bytes));
    }
  return packs;
}

/** One pack of one piece, whose bytes are those of `file` there. */
export function packOf(piece: PackedFile, file: Buffer): Buffer {
  const length = piece.lengths.reduce((total, each) => total + each, 0);
  const bytes = file.subarray(piece.offset, piece.offset + length);
  return Buffer.concat([encodeFilePackHeader('raw', length, [piece]), bytes]);
}

function* pieces(path: string, entry: Entry, most: number): Generator<PackedFile, void, void> {
  const { mode, mtimeSec, mtimeNsec, content, size } = entry;
  const all = Array.from({ length: chunkCount(content) }, (_, at) => chunkLength(content, at));
  let offset = 0;
  for (let at = 0; at === 0 || at < all.length; at += most) {
    const lengths = all.slice(at, at + most);
    const bytes = lengths.reduce((total, each) => total + each, 0);
    yield { path, mode, mtimeSec, mtimeNsec, offset, rest: size - offset - bytes, lengths };
    offset += bytes;
  }
}
