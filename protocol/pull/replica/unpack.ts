import { TowError } from '../../base/errors.ts';
import type { DecodedDelta } from '../../chunk/delta-codec.ts';
import { type Digest, digestOf } from '../../chunk/digest.ts';
import { chunkCount, chunkDigest, chunkLength, isHole } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { decodePackHeader, unpackBody } from '../../chunk/pack.ts';
import { limits } from '../../wire/limits.ts';
import type { Wants } from './wants.ts';

export interface Unpacked {
  readonly bytes: number;
  readonly finishedFiles: number;
}

/**
 * Writes the chunks of a pack where they are wanted. A chunk whose digest is wrong, or that nobody asked for, ends the
 * pull: the peer is broken or hostile, and not a byte of it is written. Blocking.
 */
export function unpack(pack: Buffer, wants: Wants): Unpacked {
  return unpackAll(pack, (ordinal) => wants.at(ordinal), wants);
}

/** Writes the chunks that came with a delta; those that are not wanted are there already. Blocking. */
export function takePushed(delta: DecodedDelta | undefined, wants: Wants): Unpacked {
  if (delta === undefined || delta.packs.length === 0) return { bytes: 0, finishedFiles: 0 };
  const chunks = chunksOf(delta.part);
  let bytes = 0;
  let finishedFiles = 0;
  for (const pack of delta.packs) {
    const unpacked = unpackForeseen(pack, chunks, wants);
    bytes += unpacked.bytes;
    finishedFiles += unpacked.finishedFiles;
  }
  return { bytes, finishedFiles };
}

export interface PartChunk {
  readonly digest: Digest;
  readonly length: number;
}

/** The data chunks of a delta's part, by the ordinals that its packs count. */
export function chunksOf({ directories }: Manifest): PartChunk[] {
  const chunks: PartChunk[] = [];
  for (const path of [...directories.keys()].sort()) {
    for (const { kind, content } of directories.get(path)?.entries ?? []) {
      if (kind !== 'file') continue;
      for (let at = 0; at < chunkCount(content); at += 1)
        if (!isHole(content, at)) chunks.push({ digest: chunkDigest(content, at), length: chunkLength(content, at) });
    }
  }
  return chunks;
}

/** As `unpack`, of a pack that counts the chunks of a delta's part; those that are not wanted are there already. Blocking. */
export function unpackForeseen(pack: Buffer, chunks: readonly PartChunk[], wants: Wants): Unpacked {
  return unpackAll(pack, (ordinal) => chunks[ordinal], wants);
}

function unpackAll(pack: Buffer, chunkAt: (ordinal: number) => PartChunk | undefined, wants: Wants): Unpacked {
  const header = decodePackHeader(pack, limits.packBytes);
  const raw = unpackBody(header);
  let offset = 0;
  let finishedFiles = 0;
  for (const { first, count } of header.runs) {
    for (let ordinal = first; ordinal < first + count; ordinal += 1) {
      const chunk = chunkAt(ordinal);
      if (chunk === undefined)
        throw new TowError('chunk-mismatch', `the source sent chunk ${ordinal}, which was not asked for`);
      const bytes = raw.subarray(offset, offset + chunk.length);
      offset += chunk.length;
      if (bytes.length !== chunk.length || digestOf(bytes) !== chunk.digest) {
        throw new TowError('chunk-mismatch', `chunk ${ordinal} is not what its digest says`, {
          retryable: true,
          hint: 'run it again; if it stays, run `tow check`',
        });
      }
      finishedFiles += wants.satisfy(chunk.digest, bytes);
    }
  }
  if (offset !== raw.length) throw new TowError('chunk-mismatch', `a pack has ${raw.length - offset} bytes too many`);
  return { bytes: raw.length, finishedFiles };
}
