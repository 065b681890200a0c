/**
 * One block of a manifest as it travels: a list of rows as columns, which compress far better than rows do.
 *
 *   column bytes, packed (u32) · column bytes, unpacked (u32) · brotli of the columns · digests, raw
 *
 * Columns, each a length (LEB128) and its bytes: segments, kinds, names, name bytes, modes, seconds, nanoseconds, chunk
 * counts, chunk lengths, texts. A segment is `count` rows of one directory, named by its path (front-coded against the
 * segment before). A name is front-coded against the row before. A chunk length is doubled; odd is a hole, which has no
 * digest. A row whose kind has the `continues` bit is a file whose chunk list goes on in the first row of the next block.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { TowError } from '../base/errors.ts';
import type { RootPath } from '../base/root-path.ts';
import { digestBytes } from './digest.ts';
import {
  type ChunkList,
  chunkCount,
  type Entry,
  type EntryKind,
  maxChunkBytes,
  maxHoleBytes,
  recordBytes,
} from './entry.ts';
import { VarintReader, VarintWriter } from './varint.ts';

/** Rows of one directory, or of a part of it. `path` is undefined for the root itself. */
export interface Segment {
  readonly path: RootPath | undefined;
  readonly entries: readonly Entry[];
  /** The last entry's chunk list goes on in the next block. */
  readonly continues: boolean;
}

const kinds: readonly EntryKind[] = ['file', 'dir', 'symlink', 'hardlink', 'unknown'];
const continuesBit = 0x80;

/** Rows and segments in one block, at most, and chunks. What a sender fills a block to is less than either. */
export const maxBlockRows = 4096;
export const maxBlockChunks = (768 << 10) / digestBytes;
const quality = 4;

const columnNames = [
  'segments',
  'kinds',
  'names',
  'nameBytes',
  'modes',
  'seconds',
  'nanoseconds',
  'counts',
  'lengths',
  'texts',
] as const;
type ColumnName = (typeof columnNames)[number];

export function encodeBlock(segments: readonly Segment[]): Buffer {
  const columns = writers();
  const digests = new DigestWriter(segments);
  let lastPath = '';
  let lastName = '';
  let lastSec = 0;
  for (const { path, entries, continues } of segments) {
    columns.segments.number(path === undefined ? 0 : 1);
    columns.segments.number(entries.length);
    if (path !== undefined) lastPath = frontCode(columns.segments, columns.segments, path, lastPath);
    for (const [at, entry] of entries.entries()) {
      const goesOn = continues && at === entries.length - 1;
      columns.kinds.number(kinds.indexOf(entry.kind) | (goesOn ? continuesBit : 0));
      lastName = frontCode(columns.names, columns.nameBytes, entry.name, lastName);
      columns.modes.number(entry.mode);
      columns.seconds.signed(entry.mtimeSec - lastSec);
      lastSec = entry.mtimeSec;
      columns.nanoseconds.number(entry.mtimeNsec);
      if (entry.kind === 'file') writeChunks(entry.content, columns, digests);
      else if (entry.kind === 'symlink' || entry.kind === 'hardlink') {
        columns.texts.number(entry.content.length);
        columns.texts.latin1(entry.content);
      }
    }
  }
  return seal(columns, digests.bytes());
}

/** Reads a block. Sizes are bounded by `maxBytes` before memory is taken; names and structure are the decoder's to check. */
export function decodeBlock(block: Buffer, maxBytes: number): Segment[] {
  const { columns, digests } = unseal(block, maxBytes);
  const lists = new ListReader(columns.counts, columns.lengths, digests);
  const segments: Segment[] = [];
  let rows = 0;
  let lastPath = '';
  let lastName = '';
  let lastSec = 0;
  while (columns.segments.left > 0) {
    const named = columns.segments.number() !== 0;
    const count = columns.segments.number();
    rows += count + 1;
    if (rows > 2 * maxBlockRows) throw new TowError('limit-exceeded', `a manifest block of ${rows} rows`);
    if (named) lastPath = frontDecode(columns.segments, columns.segments, lastPath);
    const entries: Entry[] = [];
    let continues = false;
    for (let at = 0; at < count; at += 1) {
      const flags = columns.kinds.number();
      const kind = kinds[flags & ~continuesBit];
      if (kind === undefined || continues) throw new TowError('bad-message', `a manifest entry of kind ${flags}`);
      continues = flags >= continuesBit;
      lastName = frontDecode(columns.names, columns.nameBytes, lastName);
      const mode = columns.modes.number();
      const mtimeSec = lastSec + columns.seconds.signed();
      lastSec = mtimeSec;
      const mtimeNsec = columns.nanoseconds.number();
      if (mode > 0o7777 || mtimeNsec > 999_999_999 || !Number.isSafeInteger(mtimeSec)) {
        throw new TowError('bad-message', `a manifest entry of mode ${mode}, time ${mtimeSec} s ${mtimeNsec} ns`);
      }
      const { size, list } = kind === 'file' ? lists.next() : noList;
      const content = kind === 'symlink' || kind === 'hardlink' ? columns.texts.latin1(columns.texts.number()) : list;
      entries.push({ kind, name: lastName, mode, mtimeSec, mtimeNsec, size, content });
    }
    segments.push({ path: named ? lastPath : undefined, entries, continues });
  }
  for (const name of columnNames) columns[name].end();
  lists.end();
  return segments;
}

function writers(): Record<ColumnName, VarintWriter> {
  const make = (): VarintWriter => new VarintWriter();
  return {
    segments: make(),
    kinds: make(),
    names: make(),
    nameBytes: make(),
    modes: make(),
    seconds: make(),
    nanoseconds: make(),
    counts: make(),
    lengths: make(),
    texts: make(),
  };
}

/** Writes how many characters `text` shares with `last` and how many follow, and those; returns `text`. */
function frontCode(numbers: VarintWriter, bytes: VarintWriter, text: string, last: string): string {
  const most = Math.min(text.length, last.length);
  let shared = 0;
  while (shared < most && text.charCodeAt(shared) === last.charCodeAt(shared)) shared += 1;
  numbers.number(shared);
  numbers.number(text.length - shared);
  bytes.latin1(text, shared);
  return text;
}

const scratch = Buffer.alloc(64 << 10);

/** Builds the string from bytes, so that it is flat and keeps nothing else alive. */
function frontDecode(numbers: VarintReader, bytes: VarintReader, last: string): string {
  const shared = numbers.number();
  const suffix = bytes.bytes(numbers.number());
  if (shared > last.length || shared + suffix.length > scratch.length)
    throw new TowError('bad-message', 'a name goes on beyond the one before');
  scratch.write(last, 0, shared, 'latin1');
  scratch.set(suffix, shared);
  return scratch.toString('latin1', 0, shared + suffix.length);
}

const digestWords = digestBytes / 4;
const recordWords = recordBytes / 4;

/** A file's records, as words of 32 bits: four times fewer steps than by bytes, of which a large file takes millions. */
const listRecords = Buffer.alloc(1024 * recordBytes);
const listWords = new Int32Array(listRecords.buffer, listRecords.byteOffset, listRecords.length / 4);

function writeChunks(list: ChunkList, columns: Record<ColumnName, VarintWriter>, digests: DigestWriter): void {
  columns.counts.number(chunkCount(list));
  for (let from = 0; from < list.length; from += listRecords.length) {
    const piece = list.length <= listRecords.length ? list : list.slice(from, from + listRecords.length);
    const words = listRecords.write(piece, 'latin1') / 4;
    for (let at = 0; at < words; at += recordWords) {
      const hole = !digests.add(listWords, at);
      columns.lengths.number(((listWords[at + digestWords] ?? 0) >>> 0) * 2 + (hole ? 1 : 0));
    }
  }
}

/** The digests of a block, in order, without the lengths between them. */
class DigestWriter {
  readonly #words: Int32Array;
  #at = 0;

  constructor(segments: readonly Segment[]) {
    let characters = 0;
    for (const { entries } of segments)
      for (const { kind, content } of entries) if (kind === 'file') characters += content.length;
    this.#words = new Int32Array((characters / recordBytes) * digestWords);
  }

  /** False for the digest of a hole, which is left out. */
  add(records: Int32Array, from: number): boolean {
    let bits = 0;
    for (let word = 0; word < digestWords; word += 1) {
      const value = records[from + word] ?? 0;
      bits |= value;
      this.#words[this.#at + word] = value;
    }
    if (bits !== 0) this.#at += digestWords;
    return bits !== 0;
  }

  bytes(): Buffer {
    return Buffer.from(this.#words.buffer, 0, this.#at * 4);
  }
}

const noList = { size: 0, list: '' } as const;

/** Puts chunk lists together again. */
class ListReader {
  readonly #counts: VarintReader;
  readonly #lengths: VarintReader;
  /** One after the other; a copy, for words lie where words may. */
  readonly #digests: Int32Array;
  readonly #digestBytes: number;
  #words = new Int32Array(1024);
  #bytes = Buffer.from(this.#words.buffer);
  #at = 0;
  #chunks = 0;

  constructor(counts: VarintReader, lengths: VarintReader, digests: Buffer) {
    this.#counts = counts;
    this.#lengths = lengths;
    this.#digests = new Int32Array(Math.floor(digests.length / 4));
    this.#digestBytes = digests.length;
    digests.copy(Buffer.from(this.#digests.buffer));
  }

  next(): { readonly size: number; readonly list: ChunkList } {
    const count = this.#counts.number();
    this.#chunks += count;
    if (this.#chunks > maxBlockChunks)
      throw new TowError('limit-exceeded', `a manifest block of ${this.#chunks} chunks`);
    if (count > this.#lengths.left) throw new TowError('bad-message', `a file of ${count} chunks with fewer lengths`);
    if (count * recordWords > this.#words.length) {
      this.#words = new Int32Array(count * recordWords);
      this.#bytes = Buffer.from(this.#words.buffer);
    }
    const records = this.#words;
    let size = 0;
    let afterShortHole = false;
    for (let at = 0; at < count * recordWords; at += recordWords) {
      const coded = this.#lengths.number();
      const hole = coded % 2 === 1;
      const length = (coded - (hole ? 1 : 0)) / 2;
      if (length === 0 || length > (hole ? maxHoleBytes : maxChunkBytes) || (hole && afterShortHole)) {
        throw new TowError('bad-message', `a ${hole ? 'hole' : 'chunk'} of ${length} bytes`);
      }
      afterShortHole = hole && length < maxHoleBytes;
      if (hole) records.fill(0, at, at + digestWords);
      else this.#digest(records, at);
      records[at + digestWords] = length;
      size += length;
    }
    if (!Number.isSafeInteger(size)) throw new TowError('bad-message', `a file of ${size} bytes`);
    return { size, list: this.#bytes.toString('latin1', 0, count * recordBytes) };
  }

  end(): void {
    if (this.#at * 4 !== this.#digestBytes) throw new TowError('bad-message', 'more digests than chunks');
  }

  #digest(records: Int32Array, to: number): void {
    const from = this.#at;
    this.#at += digestWords;
    if (this.#at * 4 > this.#digestBytes) throw new TowError('bad-message', 'more chunks than digests');
    let bits = 0;
    for (let word = 0; word < digestWords; word += 1) {
      const value = this.#digests[from + word] ?? 0;
      bits |= value;
      records[to + word] = value;
    }
    if (bits === 0) throw new TowError('bad-message', 'a chunk with the digest of a hole');
  }
}

const headBytes = 8;

function seal(columns: Record<ColumnName, VarintWriter>, digests: Buffer): Buffer {
  const raw = new VarintWriter();
  const parts: Buffer[] = [];
  for (const name of columnNames) {
    const from = raw.length;
    raw.number(columns[name].length);
    parts.push(Buffer.from(raw.bytes().subarray(from)), columns[name].bytes());
  }
  const unpacked = Buffer.concat(parts);
  const packed = brotliCompressSync(unpacked, {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: unpacked.length },
  });
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(packed.length, 0);
  head.writeUInt32LE(unpacked.length, 4);
  return Buffer.concat([head, packed, digests]);
}

function unseal(block: Buffer, maxBytes: number): { columns: Record<ColumnName, VarintReader>; digests: Buffer } {
  if (block.length < headBytes) throw new TowError('bad-message', `a manifest block of ${block.length} bytes`);
  const packedLength = block.readUInt32LE(0);
  const unpackedLength = block.readUInt32LE(4);
  if (block.length > maxBytes || unpackedLength > maxBytes) {
    throw new TowError(
      'limit-exceeded',
      `a manifest block of ${Math.max(block.length, unpackedLength)} bytes, at most ${maxBytes} are allowed`,
    );
  }
  const end = headBytes + packedLength;
  if (end > block.length) throw new TowError('bad-message', 'a manifest block is cut off');
  const raw = new VarintReader(inflate(block.subarray(headBytes, end), unpackedLength));
  const column = (): VarintReader => new VarintReader(raw.bytes(raw.number()));
  const columns: Record<ColumnName, VarintReader> = {
    segments: column(),
    kinds: column(),
    names: column(),
    nameBytes: column(),
    modes: column(),
    seconds: column(),
    nanoseconds: column(),
    counts: column(),
    lengths: column(),
    texts: column(),
  };
  raw.end();
  return { columns, digests: block.subarray(end) };
}

/** A block's columns and its digests, which stand one after the other. Throws `bad-message` if it is cut off. */
export function splitBlock(block: Buffer): { readonly columns: Buffer; readonly digests: Buffer } {
  const end = block.length < headBytes ? Number.POSITIVE_INFINITY : headBytes + block.readUInt32LE(0);
  if (end > block.length) throw new TowError('bad-message', 'a manifest block is cut off');
  return { columns: block.subarray(0, end), digests: block.subarray(end) };
}

function inflate(packed: Buffer, unpackedLength: number): Buffer {
  let unpacked: Buffer;
  try {
    unpacked = brotliDecompressSync(packed, { maxOutputLength: Math.max(1, unpackedLength) });
  } catch (error) {
    throw new TowError('bad-message', 'a manifest block does not unpack', { cause: error });
  }
  if (unpacked.length !== unpackedLength) {
    throw new TowError(
      'bad-message',
      `a manifest block unpacks to ${unpacked.length} bytes and says ${unpackedLength}`,
    );
  }
  return unpacked;
}
