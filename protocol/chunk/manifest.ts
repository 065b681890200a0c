import type { RootPath } from '../base/root-path.ts';
import { type Digest, digestOf } from './digest.ts';
import { dataChunkCount, type Entry } from './entry.ts';

/** One directory of a root: its entries sorted by name (byte order), each name once. */
export interface Directory {
  readonly path: RootPath;
  readonly entries: readonly Entry[];
}

/**
 * The list of entries of a root at one moment, by directory. A manifest is immutable; a later one shares the
 * directories that did not change. `root` is the root itself: a `dir`, or a `file` or `symlink` for a single-file root
 * (then `directories` is empty).
 */
export interface Manifest {
  readonly root: Entry;
  /** Every directory by path; '' is the root directory. Insertion order means nothing. */
  readonly directories: ReadonlyMap<RootPath, Directory>;
}

/**
 * The canonical bytes of an entry, as a latin1 string: what digests are taken over, on both ends alike. Fields are
 * length-prefixed, so that no two different entries have the same bytes.
 */
function canonicalEntry(entry: Entry): string {
  return `${entry.kind} ${entry.mode} ${entry.mtimeSec} ${entry.mtimeNsec} ${entry.size} ${entry.name.length} ${entry.content.length} ${entry.name}${entry.content}`;
}

const directoryDigests = new WeakMap<Directory, Digest>();

/** What is asked of a directory without looking at its entries. */
export interface DirectorySummary {
  readonly digest: Digest;
  readonly entries: number;
  readonly files: number;
  /** Logical; hard links do not count again. */
  readonly bytes: number;
  /** Data chunks. */
  readonly chunks: number;
  /** Whether every entry means something by itself, see `isPlain`. */
  readonly plain: boolean;
}

export function summaryOf(directory: Directory): DirectorySummary {
  return { digest: directoryDigest(directory), ...tallyOf(directory) };
}

/** What is known of a directory already; trusted to be of its entries. */
export function noteSummary(directory: Directory, summary: DirectorySummary): void {
  directoryDigests.set(directory, summary.digest);
  tallies.set(directory, summary);
}

/** A directory whose entries are read when they are asked for; `summary` is trusted to be theirs. */
export function storedDirectory(path: RootPath, summary: DirectorySummary, read: () => readonly Entry[]): Directory {
  let state: { readonly entries: readonly Entry[] } | { readonly read: () => readonly Entry[] } = { read };
  const directory: Directory = {
    path,
    get entries() {
      // What it is read from is let go.
      if (!('entries' in state)) state = { entries: state.read() };
      return state.entries;
    },
  };
  noteSummary(directory, summary);
  return directory;
}

/** The same entries at another path. */
export function directoryUnder(directory: Directory, path: RootPath): Directory {
  const copy = { path, entries: directory.entries };
  directoryDigests.set(copy, directoryDigest(directory));
  return copy;
}

/** Digest of one directory's own entries (not of what lies below). Cached for the life of the object. */
export function directoryDigest(directory: Directory): Digest {
  const known = directoryDigests.get(directory);
  if (known !== undefined) return known;
  const digest = digestOf(directory.entries.map(canonicalEntry).join(''));
  directoryDigests.set(directory, digest);
  return digest;
}

/**
 * Digest of a manifest: over the root entry and, in path order, each directory's path and digest. Two levels, not a
 * nested tree: after an edit one directory is hashed again and then a list of 40-odd bytes a directory.
 */
export function manifestDigest(manifest: Manifest): Digest {
  const parts = [canonicalEntry(manifest.root)];
  for (const path of [...manifest.directories.keys()].sort()) {
    const directory = manifest.directories.get(path);
    if (directory !== undefined) parts.push(`${path.length} ${path}${directoryDigest(directory)}`);
  }
  return digestOf(parts.join(''));
}

/** Counts of a manifest, for progress and summaries. Bytes are logical: holes count, hard links do not count again. */
export interface ManifestTotals {
  readonly files: number;
  readonly entries: number;
  readonly bytes: number;
}

export function manifestTotals(manifest: Manifest): ManifestTotals {
  let files = manifest.root.kind === 'dir' ? 0 : 1;
  let entries = 1;
  let bytes = manifest.root.size;
  for (const directory of manifest.directories.values()) {
    const tally = tallyOf(directory);
    files += tally.files;
    entries += tally.entries;
    bytes += tally.bytes;
  }
  return { files, entries, bytes };
}

/** Data chunks of a directory's own files; holes do not count. */
export function dataChunks(directory: Directory): number {
  return tallyOf(directory).chunks;
}

/** Whether every entry means something by itself: none is a second name of a file, or could not be read. */
export function isPlain(manifest: Manifest): boolean {
  for (const directory of manifest.directories.values()) if (!tallyOf(directory).plain) return false;
  return manifest.root.kind !== 'unknown';
}

type Tally = Omit<DirectorySummary, 'digest'>;

/** By the entries, which several directories may share, or by a directory that was stored. */
const tallies = new WeakMap<readonly Entry[] | Directory, Tally>();

/** Counted once for the life of the entries. */
function tallyOf(directory: Directory): Tally {
  const known = tallies.get(directory) ?? tallies.get(directory.entries);
  if (known !== undefined) return known;
  const { entries } = directory;
  let files = 0;
  let bytes = 0;
  let chunks = 0;
  let plain = true;
  for (const entry of entries) {
    if (entry.kind !== 'dir') files += 1;
    if (entry.kind === 'hardlink' || entry.kind === 'unknown') plain = false;
    bytes += entry.size;
    if (entry.kind === 'file') chunks += dataChunkCount(entry.content);
  }
  const tally = { entries: entries.length, files, bytes, chunks, plain };
  tallies.set(entries, tally);
  return tally;
}
