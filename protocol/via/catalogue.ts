/**
 * A catalogue: where in an object store the chunks of a snapshot are, by their ordinals. It is named after the digest of
 * its bytes, and a node hears that name from its controller: what it says can be believed, what it points at cannot.
 *
 *   1 · salt (16 bytes) · unpacked length (u32) · brotli(packs · pack…)
 *   pack:  digest (32 bytes) · blocks · block…
 *   block: gap · length · codec · raw length · runs · (skip · first · count) a run
 *
 * Numbers are LEB128. `gap` counts bytes of the pack from the end of the block before, `skip` bytes of the unpacked block
 * from the end of the run before; `first` is zigzag, from the end of the run before in the whole catalogue. The salt makes
 * each one another object, so that putting one never meets the removal of an old one.
 */
import { brotliCompressSync, brotliDecompressSync, constants as zlib } from 'node:zlib';
import { TowError } from '../base/errors.ts';
import { asDigest, type Digest, digestBytes } from '../chunk/digest.ts';
import { type PackCodec, packCodecs } from '../chunk/pack.ts';
import { VarintReader, VarintWriter } from '../chunk/varint.ts';
import { maxStoredPackBytes, readBlockShape } from './pack-index.ts';

/** Consecutive ordinals whose bytes lie one after the other. */
export interface BlockRun {
  /** Unpacked bytes between the run before and this one. */
  readonly skip: number;
  readonly first: number;
  readonly count: number;
}

export interface StoredBlock {
  /** Where it lies in its pack. */
  readonly offset: number;
  readonly length: number;
  readonly codec: PackCodec;
  readonly rawLength: number;
  readonly runs: readonly BlockRun[];
}

export interface CataloguedPack {
  readonly digest: Digest;
  /** By offset. */
  readonly blocks: readonly StoredBlock[];
}

export const saltBytes = 16;
/** Bytes of a catalogue, as it is stored and unpacked. */
export const maxCatalogueBytes = 32 << 20;
const maxUnpackedBytes = 64 << 20;

const layout = 1;
const headerBytes = 1 + saltBytes + 4;

/** Throws `limit-exceeded`. Blocking: for worker threads. */
export function encodeCatalogue(packs: readonly CataloguedPack[], salt: Buffer): Buffer {
  const writer = new VarintWriter();
  writer.number(packs.length);
  let next = 0;
  for (const { digest, blocks } of packs) {
    writer.latin1(digest);
    writer.number(blocks.length);
    let end = 0;
    for (const { offset, length, codec, rawLength, runs } of blocks) {
      writer.number(offset - end);
      end = offset + length;
      writer.number(length);
      writer.number(packCodecs.indexOf(codec));
      writer.number(rawLength);
      writer.number(runs.length);
      for (const { skip, first, count } of runs) {
        writer.number(skip);
        writer.signed(first - next);
        writer.number(count);
        next = first + count;
      }
    }
  }
  const body = writer.bytes();
  const packed = brotliCompressSync(body, {
    params: { [zlib.BROTLI_PARAM_QUALITY]: 5, [zlib.BROTLI_PARAM_SIZE_HINT]: body.length },
  });
  const header = Buffer.alloc(headerBytes);
  header[0] = layout;
  salt.copy(header, 1, 0, saltBytes);
  header.writeUInt32LE(body.length, 1 + saltBytes);
  if (body.length > maxUnpackedBytes || headerBytes + packed.length > maxCatalogueBytes)
    throw new TowError(
      'limit-exceeded',
      `a catalogue of ${body.length} bytes, at most ${maxUnpackedBytes} are allowed`,
    );
  return Buffer.concat([header, packed]);
}

/** Throws `bad-message`, `limit-exceeded`. Blocking: for worker threads. */
export function decodeCatalogue(bytes: Buffer): CataloguedPack[] {
  const reader = new VarintReader(unpack(bytes));
  const packs: CataloguedPack[] = [];
  let next = 0;
  for (let left = reader.number(); left > 0; left -= 1) {
    const digest = asDigest(reader.latin1(digestBytes));
    const blocks: StoredBlock[] = [];
    let end = 0;
    for (let blocksLeft = reader.number(); blocksLeft > 0; blocksLeft -= 1) {
      const offset = end + reader.number();
      const shape = readBlockShape(reader);
      end = offset + shape.length;
      if (end > maxStoredPackBytes) throw new TowError('limit-exceeded', `a block at ${offset} of a pack`);
      const runs = readRuns(reader, next, shape.rawLength);
      const last = runs.at(-1);
      if (last === undefined) throw new TowError('bad-message', 'a block of no chunks');
      next = last.first + last.count;
      blocks.push({ offset, ...shape, runs });
    }
    if (blocks.length === 0) throw new TowError('bad-message', 'a pack of no blocks');
    packs.push({ digest, blocks });
  }
  reader.end();
  return packs;
}

function readRuns(reader: VarintReader, from: number, rawLength: number): BlockRun[] {
  const runs: BlockRun[] = [];
  let next = from;
  // A chunk has a byte at least.
  let room = rawLength;
  for (let left = reader.number(); left > 0; left -= 1) {
    const skip = reader.number();
    const first = next + reader.signed();
    const count = reader.number();
    next = first + count;
    room -= skip + count;
    if (count < 1 || first < 0 || !Number.isSafeInteger(next) || room < 0)
      throw new TowError('bad-message', `a run of ${count} chunks from ${first} in a block of ${rawLength} bytes`);
    runs.push({ skip, first, count });
  }
  return runs;
}

function unpack(bytes: Buffer): Buffer {
  if (bytes.length < headerBytes || bytes[0] !== layout)
    throw new TowError('bad-message', 'no catalogue, or one of an unknown layout');
  const length = bytes.readUInt32LE(1 + saltBytes);
  if (bytes.length > maxCatalogueBytes || length > maxUnpackedBytes)
    throw new TowError('limit-exceeded', `a catalogue of ${bytes.length} bytes that says ${length}`);
  let body: Buffer;
  try {
    body = brotliDecompressSync(bytes.subarray(headerBytes), { maxOutputLength: Math.max(1, length) });
  } catch (error) {
    throw new TowError('bad-message', 'a catalogue does not unpack', { cause: error });
  }
  if (body.length !== length)
    throw new TowError('bad-message', `a catalogue unpacks to ${body.length} bytes and says ${length}`);
  return body;
}
