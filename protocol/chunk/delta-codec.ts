/**
 * A delta as it travels beside a call. Chunks that the files it is about had before, or that files had which are gone, do
 * not travel by their digests: `sources` names the directories of the manifest before whose files' digests both ends
 * count, and runs (digest-runs.ts) say which of them come where.
 *
 *   removed paths · renamed directories · sources · runs · new digests · blocks · packs
 *
 * Renamed directories are a list of paths: where each was, and is. Removed paths, blocks and packs are lists: a count (u32) and its members, each a length (u32) and bytes. Sources (a
 * brotli of paths with a NUL between, or nothing), runs and digests are a length and bytes. A block (manifest-block.ts)
 * lacks its digests, and has their number (u32) before it. Packs (pack.ts) hold some of the part's chunks, whose ordinals
 * count the data chunks of the part alone.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { ByteReader } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import { TowError } from '../base/errors.ts';
import { isWithin, parentOf, parseRootPath, type RootPath } from '../base/root-path.ts';
import { digestBytes } from './digest.ts';
import { decodeDigestRuns, encodeDigestRuns } from './digest-runs.ts';
import { type ChunkList, chunkCount, isHole, recordBytes } from './entry.ts';
import { dataChunks, type Manifest } from './manifest.ts';
import { splitBlock } from './manifest-block.ts';
import { ManifestDecoder, type ManifestLimits } from './manifest-codec.ts';
import type { ManifestDelta } from './manifest-delta.ts';
import type { Renamed } from './renamed-directories.ts';

/** Chunks of all sources, and of all blocks, at most. */
const maxChunks = 1 << 20;
const quality = 4;

/**
 * `blocks` are the part's (manifest-codec.ts). Undefined when the part has more chunks than a delta may. A few
 * milliseconds at a time.
 */
export async function encodeDelta(
  base: Manifest,
  delta: ManifestDelta,
  blocks: readonly Buffer[],
  packs: readonly Buffer[],
): Promise<Buffer | undefined> {
  const split = blocks.map(splitBlock);
  const digests = Buffer.concat(split.map((block) => block.digests));
  if (digests.length > maxChunks * digestBytes) return undefined;
  const sources = sourcesOf(base, delta);
  const { runs, fresh } = await encodeDigestRuns(digests, digestsOf(base, sources));
  const writer = new ByteWriter();
  writeList(writer, delta.removed);
  writeList(
    writer,
    delta.renamed.flatMap(({ from, to }) => [from, to]),
  );
  writer.blob(packPaths(sources));
  writer.blob(runs);
  writer.blob(fresh);
  writer.u32(split.length);
  for (const block of split) {
    writer.u32(block.digests.length / digestBytes);
    writer.blob(block.columns);
  }
  writeList(
    writer,
    packs.map((pack) => pack.toString('latin1')),
  );
  return writer.bytes();
}

export interface DecodedDelta extends ManifestDelta {
  readonly packs: readonly Buffer[];
}

/** Throws `bad-message` or `limit-exceeded` for what is not sound in itself; the rest is `applyDelta`'s to check. */
export function decodeDelta(base: Manifest, bytes: Buffer, limits: ManifestLimits): DecodedDelta {
  const reader = new ByteReader(bytes);
  const removed = readList(reader).map(parseRootPath);
  const renamed = pairs(readList(reader).map(parseRootPath));
  const known = digestsOf(base, unpackPaths(reader.blob(), limits.manifestBlockBytes));
  const [runs, fresh] = [reader.blob(), reader.blob()];
  const blocks: { readonly count: number; readonly columns: Buffer }[] = [];
  let chunks = 0;
  for (let left = reader.u32(); left > 0; left -= 1) {
    const count = reader.u32();
    chunks += count;
    if (chunks > maxChunks) throw new TowError('limit-exceeded', `a manifest's delta of ${chunks} chunks`);
    blocks.push({ count, columns: reader.blob() });
  }
  const digests = decodeDigestRuns({ runs, fresh }, known, chunks);
  const packs = readList(reader).map((pack) => Buffer.from(pack, 'latin1'));
  if (!reader.done) throw new TowError('bad-message', 'a delta is followed by something else');
  const decoder = new ManifestDecoder(limits, { partial: true });
  let from = 0;
  for (const { count, columns } of blocks) {
    const end = from + count * digestBytes;
    // The decoder finds the digests where the columns end.
    if (splitBlock(columns).digests.length > 0) throw new TowError('bad-message', "a delta's block has digests");
    decoder.push(Buffer.concat([columns, digests.subarray(from, end)]));
    from = end;
  }
  return { part: decoder.finish(), removed, renamed, packs };
}

/** Directories of `base` that have what the delta's files are likely to be made of, in path order. */
function sourcesOf(base: Manifest, { part, removed, renamed }: ManifestDelta): RootPath[] {
  const sources = new Set<RootPath>();
  for (const { path, entries } of part.directories.values())
    if (entries.some(({ kind }) => kind === 'file')) sources.add(path);
  const gone = new Set(removed);
  for (const path of removed) sources.add(parentOf(path));
  const fallen = removed.some((path) => base.directories.has(path));
  if (fallen) for (const path of base.directories.keys()) if (isWithin(path, gone)) sources.add(path);
  // What is renamed whole has no digest among those to be named.
  const whole = new Set(renamed.map(({ from }) => from));
  if (whole.size > 0) for (const path of sources) if (isWithin(path, whole)) sources.delete(path);
  let chunks = 0;
  return [...sources].sort().filter((path) => {
    const directory = base.directories.get(path);
    const more = directory === undefined ? 0 : dataChunks(directory);
    if (more === 0 || chunks + more > maxChunks) return false;
    chunks += more;
    return true;
  });
}

/** Of the data chunks of all files in these directories, in order. Throws `bad-message` or `limit-exceeded`. */
function digestsOf(base: Manifest, sources: readonly RootPath[]): Buffer {
  const directories = sources.map((path) => {
    const directory = base.directories.get(path);
    if (directory === undefined) throw new TowError('bad-message', 'a delta builds on a directory that is not there');
    return directory;
  });
  const chunks = directories.reduce((sum, directory) => sum + dataChunks(directory), 0);
  if (chunks > maxChunks) throw new TowError('limit-exceeded', `a manifest's delta that builds on ${chunks} chunks`);
  const words = new Int32Array(chunks * digestWords);
  let to = 0;
  for (const { entries } of directories) {
    for (const { kind, content } of entries) {
      if (kind === 'file') to = takeDigests(content, words, to);
    }
  }
  return Buffer.from(words.buffer);
}

const recordWords = recordBytes / 4;
const digestWords = digestBytes / 4;

/** Puts the digests of a list's data chunks into `into` from word `to` on; returns where they end. Word by word: a copy of each takes longer. */
function takeDigests(content: ChunkList, into: Int32Array, to: number): number {
  const list = new Int32Array(content.length / 4);
  Buffer.from(list.buffer).write(content, 'latin1');
  let end = to;
  for (let at = 0; at < chunkCount(content); at += 1) {
    if (isHole(content, at)) continue;
    const from = at * recordWords;
    for (let word = 0; word < digestWords; word += 1) into[end + word] = list[from + word] ?? 0;
    end += digestWords;
  }
  return end;
}

function pairs(paths: readonly RootPath[]): Renamed[] {
  if (paths.length % 2 === 1) throw new TowError('bad-message', 'a delta renames a directory to nowhere');
  return Array.from({ length: paths.length / 2 }, (_, at) => ({
    from: paths[2 * at] ?? '',
    to: paths[2 * at + 1] ?? '',
  }));
}

function packPaths(paths: readonly RootPath[]): Buffer {
  if (paths.length === 0) return Buffer.alloc(0);
  const text = Buffer.from(paths.join('\0'), 'latin1');
  return brotliCompressSync(text, {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: text.length },
  });
}

function unpackPaths(packed: Buffer, maxBytes: number): RootPath[] {
  if (packed.length === 0) return [];
  try {
    return brotliDecompressSync(packed, { maxOutputLength: maxBytes }).toString('latin1').split('\0');
  } catch (error) {
    throw new TowError('bad-message', "a delta's sources do not unpack", { cause: error });
  }
}

function writeList(writer: ByteWriter, members: readonly string[]): void {
  writer.u32(members.length);
  for (const member of members) writer.text(member);
}

function readList(reader: ByteReader): string[] {
  const members: string[] = [];
  for (let left = reader.u32(); left > 0; left -= 1) members.push(reader.text());
  return members;
}
