/**
 * A file pack: files, or pieces of large ones, that travel before there is a manifest to number their chunks by.
 *
 *   codec (1 byte: 0 raw, 1 brotli) · raw length · file count · file … · body
 *
 * Numbers are LEB128. A file is its path (front-coded: bytes shared with the path before, bytes that follow, those), mode, seconds of
 * its mtime (zigzag, less those of the file before), nanoseconds, offset in the file, bytes of the file behind this, number of chunks, length of each. The raw body is the
 * files' bytes one after the other. No digest travels: the receiver hashes the chunks, and the manifest that comes later says
 * what they should have been.
 *
 *   2 · 0 · file count · bytes of a path · path · (file · offset of an object) …
 *
 * names whole files that are objects of the git pack at that path, which comes as well: nothing else of them travels.
 */
import { TowError } from '../base/errors.ts';
import { parseRootPath, type RootPath } from '../base/root-path.ts';
import { maxChunkBytes } from './entry.ts';
import { type PackCodec, packCodecs } from './pack.ts';
import { VarintReader, VarintWriter } from './varint.ts';

/** A file, or consecutive chunks of one; the pieces of a file may come in any order. */
export interface PackedFile {
  readonly path: RootPath;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Where in the file the bytes lie, and how many more the file has behind them. */
  readonly offset: number;
  readonly rest: number;
  /** Bytes of each chunk, in order. */
  readonly lengths: readonly number[];
}

/** A whole file that the root has once more, as an object of a git pack. */
export interface ObjectFile extends PackedFile {
  /** Where the object begins in the pack. */
  readonly object: number;
}

/** Files that are objects of one git pack. */
export interface ObjectPack {
  readonly codec: 'git';
  /** Of the git pack, in the same root. */
  readonly pack: RootPath;
  readonly files: readonly ObjectFile[];
}

export interface FilePack {
  readonly codec: PackCodec;
  /** Bytes of the body once unpacked. */
  readonly rawLength: number;
  readonly files: readonly PackedFile[];
  /** As it travelled; shares memory with the frame. */
  readonly body: Buffer;
}

/** Files, or pieces of files, in one pack: with `pathBytes` this bounds the memory that its paths take. */
export const packMaxFiles = 4096;

/** Bytes of a file that is named as an object, at most: it is made in memory. */
export const maxObjectBytes = 32 << 20;

/** From this many bytes wanted on it is worth asking what git packs have of them: that is a round trip, and the source reads git's index. */
export const objectsFromBytes = 4 << 20;

/** On the wire, where another pack has its codec. */
const gitCodec = packCodecs.length;

export interface FilePackLimits {
  /** Unpacked, of one pack. */
  readonly packBytes: number;
  readonly pathBytes: number;
}

/** The header that goes before a body; send both as one frame. */
export function encodeFilePackHeader(codec: PackCodec, rawLength: number, files: readonly PackedFile[]): Buffer {
  const writer = new VarintWriter();
  writer.number(packCodecs.indexOf(codec));
  writer.number(rawLength);
  writer.number(files.length);
  writeFiles(writer, files, () => undefined);
  return writer.bytes();
}

/** A frame that names files of at most `maxObjectBytes` as objects of a git pack. */
export function encodeObjectPack({ pack, files }: Omit<ObjectPack, 'codec'>): Buffer {
  const writer = new VarintWriter();
  writer.number(gitCodec);
  writer.number(0);
  writer.number(files.length);
  writer.number(pack.length);
  writer.latin1(pack);
  writeFiles(writer, files, ({ object }) => writer.number(object));
  return writer.bytes();
}

function writeFiles<F extends PackedFile>(writer: VarintWriter, files: readonly F[], behind: (file: F) => void): void {
  let before = '';
  let seconds = 0;
  for (const file of files) {
    const { path, mode, mtimeSec, mtimeNsec, offset, rest, lengths } = file;
    const shared = sharedLength(before, path);
    writer.number(shared);
    writer.number(path.length - shared);
    writer.latin1(path, shared);
    writer.number(mode);
    writer.signed(mtimeSec - seconds);
    writer.number(mtimeNsec);
    writer.number(offset);
    writer.number(rest);
    writer.number(lengths.length);
    for (const length of lengths) writer.number(length);
    behind(file);
    before = path;
    seconds = mtimeSec;
  }
}

/** Reads a frame as a file pack. Throws `bad-message`, or `limit-exceeded` when the body would be longer than allowed. Does not unpack. */
export function decodeFilePack(frame: Buffer, limits: FilePackLimits): FilePack | ObjectPack {
  const reader = new VarintReader(frame);
  const kind = reader.number();
  const codec = kind === gitCodec ? 'git' : packCodecs[kind];
  if (codec === undefined) throw new TowError('bad-message', 'a file pack of an unknown codec');
  const rawLength = reader.number();
  if (rawLength > limits.packBytes)
    throw new TowError('limit-exceeded', `a file pack of ${rawLength} bytes, at most ${limits.packBytes} are allowed`);
  const count = reader.number();
  if (count > packMaxFiles) throw new TowError('limit-exceeded', `a file pack of ${count} files`);
  if (codec === 'git') {
    checked(rawLength, 0, 'raw length');
    return decodeObjectPack(reader, count, limits);
  }
  const files = [...readFiles(reader, count, limits)];
  const total = files.reduce((sum, { lengths }) => sum + bytesOf(lengths), 0);
  const body = reader.bytes(reader.left);
  if (total !== rawLength || (codec === 'raw' && body.length !== rawLength))
    throw new TowError('bad-message', `a file pack says ${rawLength} bytes, its files have ${total}`);
  return { codec, rawLength, files, body };
}

function decodeObjectPack(reader: VarintReader, count: number, limits: FilePackLimits): ObjectPack {
  const pack = parseRootPath(reader.latin1(checked(reader.number(), limits.pathBytes, 'path')));
  const files: ObjectFile[] = [];
  for (const file of readFiles(reader, count, limits)) {
    const object = reader.number();
    checked(bytesOf(file.lengths), maxObjectBytes, 'length of an object');
    if (file.offset !== 0 || file.rest !== 0)
      throw new TowError('bad-message', 'a file pack with a piece of an object');
    files.push({ ...file, object });
  }
  reader.end();
  return { codec: 'git', pack, files };
}

/** What stands behind a file is to be read before the next one is asked for. */
function* readFiles(reader: VarintReader, count: number, limits: FilePackLimits): Generator<PackedFile, void, void> {
  let path = '';
  let seconds = 0;
  for (let at = 0; at < count; at += 1) {
    path = readPath(reader, path, limits.pathBytes);
    const mode = checked(reader.number(), 0o7777, 'mode');
    seconds = reader.signed() + seconds;
    if (!Number.isSafeInteger(seconds)) throw new TowError('bad-message', 'a file pack with a time beyond 2^53');
    const mtimeNsec = checked(reader.number(), 999_999_999, 'nanoseconds');
    const offset = reader.number();
    const rest = reader.number();
    const chunks = checked(reader.number(), reader.left, 'number of chunks');
    const lengths: number[] = [];
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      const length = checked(reader.number(), maxChunkBytes, 'length of a chunk');
      if (length === 0) throw new TowError('bad-message', 'a file pack with an empty chunk');
      lengths.push(length);
    }
    if (!Number.isSafeInteger(offset + rest + limits.packBytes))
      throw new TowError('bad-message', 'a file pack with a file beyond 2^53');
    yield { path, mode, mtimeSec: seconds, mtimeNsec, offset, rest, lengths };
  }
}

function bytesOf(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total + length, 0);
}

function readPath(reader: VarintReader, before: RootPath, mostBytes: number): RootPath {
  const shared = checked(reader.number(), before.length, 'path');
  const path = before.slice(0, shared) + reader.latin1(checked(reader.number(), mostBytes - shared, 'path'));
  if (path === '') throw new TowError('bad-message', 'a file pack with a file that has no path');
  return parseRootPath(path);
}

function checked(value: number, most: number, what: string): number {
  if (value > most) throw new TowError('bad-message', `a file pack with a ${what} of ${value}, at most ${most}`);
  return value;
}

function sharedLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  return at;
}
