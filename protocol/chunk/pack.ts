/**
 * A pack: chunks that travel together, so that a thousand small files cost one frame and compress as one text.
 *
 *   codec (1 byte: 0 raw, 1 brotli) · raw length · run count · (gap, count) a run · body
 *
 * Numbers are LEB128. A run is consecutive ordinals; its first is the end of the run before (0 for the first run) plus
 * `gap`. The raw body is the chunks' bytes one after the other; their lengths are the manifest's. Digests do not travel:
 * the receiver has them from the manifest, and checks every chunk.
 */
import { brotliDecompressSync } from 'node:zlib';
import { TowError } from '../base/errors.ts';
import { VarintReader, VarintWriter } from './varint.ts';

export const packCodecs = ['raw', 'brotli'] as const;
export type PackCodec = (typeof packCodecs)[number];

/** Consecutive ordinals. */
export interface ChunkRun {
  readonly first: number;
  readonly count: number;
}

export interface PackHeader {
  readonly codec: PackCodec;
  /** Bytes of the body once unpacked. */
  readonly rawLength: number;
  /** Ascending; no two touch or overlap out of order. */
  readonly runs: readonly ChunkRun[];
  /** As it travelled; shares memory with the frame. */
  readonly body: Buffer;
}

/** Raw bytes a pack is filled to; a single chunk may be longer. */
export const packTargetBytes = 1 << 20;

/** Runs in one pack, at most; with `packTargetBytes` this bounds a frame. */
export const packMaxRuns = 4096;

/** The header that goes before a body; send both as one frame. */
export function encodePackHeader(codec: PackCodec, rawLength: number, runs: readonly ChunkRun[]): Buffer {
  const writer = new VarintWriter();
  writer.number(packCodecs.indexOf(codec));
  writer.number(rawLength);
  writer.number(runs.length);
  let next = 0;
  for (const { first, count } of runs) {
    writer.number(first - next);
    writer.number(count);
    next = first + count;
  }
  return writer.bytes();
}

/**
 * Reads a frame as a pack. Throws `bad-message`, or `limit-exceeded` when the body would unpack to more than
 * `maxRawBytes`. Does not unpack.
 */
export function decodePackHeader(frame: Buffer, maxRawBytes: number): PackHeader {
  const reader = new VarintReader(frame);
  const codec = packCodecs[reader.number()];
  if (codec === undefined) throw new TowError('bad-message', 'a pack of an unknown codec');
  const rawLength = reader.number();
  if (rawLength > maxRawBytes) {
    throw new TowError('limit-exceeded', `a pack of ${rawLength} bytes, at most ${maxRawBytes} are allowed`);
  }
  const runCount = reader.number();
  if (runCount > packMaxRuns) throw new TowError('limit-exceeded', `a pack of ${runCount} runs`);
  const runs: ChunkRun[] = [];
  let next = 0;
  for (let at = 0; at < runCount; at += 1) {
    const first = next + reader.number();
    const count = reader.number();
    next = first + count;
    if (count === 0 || next > Number.MAX_SAFE_INTEGER)
      throw new TowError('bad-message', 'a pack with a run of no chunks');
    runs.push({ first, count });
  }
  const body = reader.bytes(reader.left);
  if (codec === 'raw' && body.length !== rawLength) {
    throw new TowError('bad-message', `a raw pack of ${body.length} bytes says ${rawLength}`);
  }
  return { codec, rawLength, runs, body };
}

/** The chunks' bytes. Throws `bad-message` when they are not `rawLength` bytes. Blocking: some ms; for worker threads. */
export function unpackBody(pack: Pick<PackHeader, 'codec' | 'rawLength' | 'body'>): Buffer {
  if (pack.codec === 'raw') return pack.body;
  const raw = inflate(pack.body, pack.rawLength);
  if (raw.length !== pack.rawLength) {
    throw new TowError('bad-message', `a pack unpacks to ${raw.length} bytes and says ${pack.rawLength}`);
  }
  return raw;
}

function inflate(body: Buffer, maxBytes: number): Buffer {
  try {
    // In one piece: by itself, Node makes pieces of 16 KiB and copies them together.
    return brotliDecompressSync(body, {
      maxOutputLength: Math.max(1, maxBytes),
      chunkSize: Math.max(64, maxBytes + 1),
    });
  } catch (error) {
    throw new TowError('bad-message', 'a pack does not unpack', { cause: error });
  }
}
