import { createHash } from 'node:crypto';
import { joinPath } from '../../protocol/base/root-path.ts';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { chunkCount, chunkDigest, chunkLength, type Entry, isHole } from '../../protocol/chunk/entry.ts';
import { type Manifest, manifestDigest } from '../../protocol/chunk/manifest.ts';
import { ManifestDecoder } from '../../protocol/chunk/manifest-codec.ts';
import { decodePackHeader, unpackBody } from '../../protocol/chunk/pack.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import { limits } from '../../protocol/wire/limits.ts';

/** What came over of one path. */
export interface ReceivedItem {
  readonly entry: Entry;
  /** SHA-256 of a file's bytes, a symlink's text, a hard link's target. */
  readonly content: string;
}

/** Every path of a snapshot, as a receiver with nothing at hand would have it: manifest and chunks through their codecs. */
export async function receive(snapshot: Snapshot, compression?: 'near' | 'far'): Promise<Map<string, ReceivedItem>> {
  const { signal } = new AbortController();
  const decoder = new ManifestDecoder(limits);
  await snapshot.sendManifest(async (block) => decoder.push(block), signal);
  const manifest = decoder.finish();
  if (manifestDigest(manifest) !== snapshot.digest) throw new Error('another manifest came over than was meant');
  const paths = pathsOf(manifest);
  const wanted = paths.flatMap(({ entry }) => dataChunksOf(entry));
  const chunks: Buffer[] = [];
  if (wanted.length > 0) {
    await snapshot.sendChunks(
      [0, wanted.length],
      async (...parts) => {
        const frame = Buffer.concat(parts);
        if (frame.length > limits.dataFrameBytes) throw new Error(`a frame of ${frame.length} bytes`);
        const pack = decodePackHeader(frame, limits.packBytes);
        const raw = unpackBody(pack);
        let from = 0;
        for (const { first, count } of pack.runs) {
          if (first !== chunks.length) throw new Error(`chunk ${first} came after ${chunks.length}`);
          for (let at = first; at < first + count; at += 1) {
            const { length, digest } = wanted[at] ?? { length: 0, digest: '' };
            const chunk = Buffer.from(raw.subarray(from, from + length));
            if (digestOf(chunk) !== digest) throw new Error(`chunk ${at} has other bytes`);
            chunks.push(chunk);
            from += length;
          }
        }
      },
      { compression },
      signal,
    );
  }
  return new Map(paths.map(({ path, entry }) => [path, { entry, content: contentOf(entry, chunks) }]));
}

function pathsOf({ root, directories }: Manifest): { path: string; entry: Entry }[] {
  const below = [...directories.keys()]
    .sort()
    .flatMap((path) =>
      (directories.get(path)?.entries ?? []).map((entry) => ({ path: joinPath(path, entry.name), entry })),
    );
  return [{ path: '', entry: root }, ...below];
}

function dataChunksOf({ kind, content }: Entry): { length: number; digest: string }[] {
  if (kind !== 'file') return [];
  return Array.from({ length: chunkCount(content) }, (_, at) => at)
    .filter((at) => !isHole(content, at))
    .map((at) => ({ length: chunkLength(content, at), digest: chunkDigest(content, at) }));
}

/** Takes the entry's chunks off the front of `chunks`. */
function contentOf({ kind, content }: Entry, chunks: Buffer[]): string {
  if (kind !== 'file') return content;
  const hash = createHash('sha256');
  for (let at = 0; at < chunkCount(content); at += 1) {
    hash.update(isHole(content, at) ? Buffer.alloc(chunkLength(content, at)) : (chunks.shift() ?? ''));
  }
  return hash.digest('hex');
}
