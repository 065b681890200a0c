/**
 * What is in a pack of an object store: which chunks, in which block, in which order.
 *
 *   1 · blocks · (length · codec · raw length · chunks · (chunk length) a chunk) a block · digests, 32 bytes each
 *
 * Numbers are LEB128. Blocks lie one after the other from the pack's first byte; what is behind the last is a salt.
 */
import { TowError } from '../base/errors.ts';
import { asDigest, type Digest, digestBytes } from '../chunk/digest.ts';
import { maxChunkBytes } from '../chunk/entry.ts';
import { type PackCodec, packCodecs } from '../chunk/pack.ts';
import { VarintReader, VarintWriter } from '../chunk/varint.ts';
import { limits } from '../wire/limits.ts';

/** Chunks that were compressed together: what is fetched at once, at least. */
export interface PackedBlock {
  /** As it lies in the pack, in bytes. */
  readonly length: number;
  readonly codec: PackCodec;
  readonly rawLength: number;
  readonly chunks: readonly PackedChunk[];
}

export interface PackedChunk {
  readonly digest: Digest;
  readonly length: number;
}

/** Bytes: of a pack; what an index may be; of one block as it lies in the pack. */
export const maxStoredPackBytes = 32 << 20;
export const maxPackIndexBytes = 64 << 20;
export const maxBlockBytes = limits.dataFrameBytes;

const layout = 1;

export function encodePackIndex(blocks: readonly PackedBlock[]): Buffer {
  const writer = new VarintWriter();
  writer.number(layout);
  writer.number(blocks.length);
  for (const { length, codec, rawLength, chunks } of blocks) {
    writer.number(length);
    writer.number(packCodecs.indexOf(codec));
    writer.number(rawLength);
    writer.number(chunks.length);
    for (const chunk of chunks) writer.number(chunk.length);
  }
  for (const { chunks } of blocks) for (const { digest } of chunks) writer.latin1(digest);
  return writer.bytes();
}

/** Throws `bad-message`, `limit-exceeded`. Blocking: some ms a megabyte. */
export function decodePackIndex(bytes: Buffer): PackedBlock[] {
  if (bytes.length > maxPackIndexBytes)
    throw new TowError('limit-exceeded', `an index of ${bytes.length} bytes, at most ${maxPackIndexBytes} are allowed`);
  const reader = new VarintReader(bytes);
  if (reader.number() !== layout) throw new TowError('bad-message', 'an index of an unknown layout');
  const shapes: { length: number; codec: PackCodec; rawLength: number; lengths: number[] }[] = [];
  let packBytes = 0;
  for (let left = reader.number(); left > 0; left -= 1) {
    const { length, codec, rawLength } = readBlockShape(reader);
    packBytes += length;
    if (packBytes > maxStoredPackBytes)
      throw new TowError('limit-exceeded', `a pack of over ${maxStoredPackBytes} bytes`);
    const lengths: number[] = [];
    let sum = 0;
    const count = reader.number();
    // Checked before memory is taken: each has a digest to come.
    if (count * digestBytes > reader.left) throw new TowError('bad-message', `an index says ${count} chunks and ends`);
    for (let at = 0; at < count; at += 1) {
      const chunk = reader.number();
      if (chunk < 1 || chunk > maxChunkBytes) throw new TowError('bad-message', `a chunk of ${chunk} bytes`);
      sum += chunk;
      lengths.push(chunk);
    }
    if (sum !== rawLength) throw new TowError('bad-message', `chunks of ${sum} bytes in a block of ${rawLength}`);
    shapes.push({ length, codec, rawLength, lengths });
  }
  const blocks = shapes.map(({ lengths, ...shape }) => ({
    ...shape,
    chunks: lengths.map((length) => ({ digest: asDigest(reader.latin1(digestBytes)), length })),
  }));
  reader.end();
  return blocks;
}

/** Length, codec and raw length of a block, within what a reader must be able to hold. */
export function readBlockShape(reader: VarintReader): Omit<PackedBlock, 'chunks'> {
  const length = reader.number();
  const codec = packCodecs[reader.number()];
  const rawLength = reader.number();
  if (codec === undefined) throw new TowError('bad-message', 'a block of an unknown codec');
  if (length < 1 || length > maxBlockBytes) throw new TowError('limit-exceeded', `a block of ${length} bytes`);
  if (rawLength < 1 || rawLength > limits.packBytes)
    throw new TowError('limit-exceeded', `a block that unpacks to ${rawLength} bytes`);
  if (codec === 'raw' && rawLength !== length)
    throw new TowError('bad-message', `a raw block of ${length} bytes says ${rawLength}`);
  return { length, codec, rawLength };
}
