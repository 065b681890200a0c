import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { absolutePath, type RootPath } from '../../base/root-path.ts';
import type { TaskOutput } from '../../base/worker-server.ts';
import { digestOf } from '../../chunk/digest.ts';
import { chunkCount, chunkDigest, chunkLength, isHole } from '../../chunk/entry.ts';
import { compress } from './compress.ts';
import type { PackInput, PackOutput, PackPart } from './tasks.ts';

/** Reads the chunks of a pack, checks each against its digest, and compresses them together. Blocking. */
export function makePack(input: PackInput): TaskOutput<PackOutput> {
  const raw = Buffer.from(input.into, 0, input.rawBytes);
  let filled = 0;
  for (const part of input.parts) {
    const result = readPart(input.root, part, raw, filled);
    if (typeof result === 'string') return { output: { type: 'changed', path: part.path, reason: result } };
    filled = result;
  }
  const packed = input.quality === undefined ? undefined : compress(raw, input.quality);
  if ((packed ?? raw).length > input.maxBytes) return { output: { type: 'too-long' } };
  packed?.copy(raw);
  const codec = packed === undefined ? 'raw' : 'brotli';
  return { output: { type: 'body', codec, length: packed?.length ?? raw.length } };
}

/** Where the next part goes; or what is wrong with the file. */
function readPart(root: string, part: PackPart, raw: Buffer, from: number): number | string {
  const fd = open(root, part.path);
  if (typeof fd === 'string') return fd;
  try {
    if (!fstatSync(fd).isFile()) return 'is no file any more';
    let offset = part.offset;
    let to = from;
    for (let at = 0; at < chunkCount(part.list); at += 1) {
      const length = chunkLength(part.list, at);
      if (!isHole(part.list, at)) {
        if (!fill(fd, raw, to, length, offset)) return 'is shorter than when it was scanned';
        if (digestOf(raw.subarray(to, to + length)) !== chunkDigest(part.list, at))
          return 'has other bytes than when it was scanned';
        to += length;
      }
      offset += length;
    }
    return to;
  } finally {
    closeSync(fd);
  }
}

function open(root: string, path: RootPath): number | string {
  try {
    return openSync(absolutePath(root, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || errno === 'EMFILE' || errno === 'ENFILE') throw error;
    return `can no longer be opened (${errno})`;
  }
}

function fill(fd: number, raw: Buffer, to: number, length: number, offset: number): boolean {
  let done = 0;
  while (done < length) {
    const got = readSync(fd, raw, to + done, length - done, offset + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}
