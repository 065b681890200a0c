/** What leads from one manifest to another: the directories that differ. */
import { ByteReader } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import { TowError } from '../base/errors.ts';
import { displayPath, joinPath, nameOf, parentOf, parseRootPath, type RootPath } from '../base/root-path.ts';
import { indexOfName } from './index-of-name.ts';
import { type Directory, directoryDigest, isPlain, type Manifest, manifestTotals } from './manifest.ts';
import { ManifestDecoder, type ManifestLimits } from './manifest-codec.ts';

export interface ManifestDelta {
  /** The new root entry, and the directories that are new or other than before. */
  readonly part: Manifest;
  readonly dropped: readonly RootPath[];
}

/** Cheap for manifests that share directories. Undefined where a delta would not do: the root is no directory, or an entry is not plain. */
export function deltaBetween(base: Manifest, next: Manifest): ManifestDelta | undefined {
  if (base.root.kind !== 'dir' || next.root.kind !== 'dir' || !isPlain(base) || !isPlain(next)) return undefined;
  const replaced = new Map<RootPath, Directory>();
  for (const [path, directory] of next.directories) {
    const before = base.directories.get(path);
    if (before === directory) continue;
    if (before === undefined || directoryDigest(before) !== directoryDigest(directory)) replaced.set(path, directory);
  }
  const dropped = [...base.directories.keys()].filter((path) => !next.directories.has(path));
  return { part: { root: next.root, directories: replaced }, dropped };
}

/**
 * The manifest that a delta of a peer leads to. Throws `bad-message` or `limit-exceeded` unless it is a sound one, given
 * that `base` is: every directory has its entry and the other way round. Names and fields were checked when it was decoded.
 */
export function applyDelta(base: Manifest, delta: ManifestDelta, limits: ManifestLimits): Manifest {
  const { part, dropped } = delta;
  const { root } = part;
  const directories = new Map<RootPath, Directory>(base.directories);
  for (const path of dropped) if (!directories.delete(path)) refuse('drops a directory that is not there', path);
  for (const [path, directory] of part.directories) directories.set(path, directory);
  const manifest = { root, directories };
  if (root.kind !== 'dir' || !directories.has('')) refuse('has no root', '');
  for (const path of dropped) {
    if (directories.has(path)) refuse('drops and replaces', path);
    if (isDirectoryOf(directories, path)) refuse('drops the entries of', path);
  }
  for (const { path, entries } of part.directories.values()) {
    if (path !== '' && !isDirectoryOf(directories, path)) refuse('has no way to', path);
    const children = new Set<RootPath>();
    for (const { kind, name } of entries) {
      if (kind === 'hardlink' || kind === 'unknown')
        refuse('may not have what is no plain entry', joinPath(path, name));
      if (kind === 'dir') children.add(joinPath(path, name));
    }
    for (const child of children) if (!directories.has(child)) refuse('has no entries for directory', child);
    for (const { kind, name } of base.directories.get(path)?.entries ?? []) {
      const child = joinPath(path, name);
      if (kind === 'dir' && !children.has(child) && directories.has(child)) refuse('leaves behind', child);
    }
  }
  const { entries } = manifestTotals(manifest);
  if (entries > limits.manifestEntries) throw new TowError('limit-exceeded', `a manifest of ${entries} entries`);
  return manifest;
}

/**
 * A delta as it travels beside a call: dropped paths, the blocks of its part (manifest-codec.ts), then packs (pack.ts) of
 * some of its chunks, whose ordinals count the data chunks of the part alone. Each list is a count (u32) and its members,
 * each a length (u32) and bytes.
 */
export function encodeDelta(delta: ManifestDelta, blocks: readonly Buffer[], packs: readonly Buffer[]): Buffer {
  const writer = new ByteWriter();
  for (const list of [delta.dropped, blocks.map(latin1), packs.map(latin1)]) {
    writer.u32(list.length);
    for (const member of list) writer.text(member);
  }
  return writer.bytes();
}

export interface DecodedDelta extends ManifestDelta {
  readonly packs: readonly Buffer[];
}

/** Throws `bad-message` or `limit-exceeded` for what is not sound in itself; the rest is `applyDelta`'s to check. */
export function decodeDelta(bytes: Buffer, limits: ManifestLimits): DecodedDelta {
  const reader = new ByteReader(bytes);
  const list = (): string[] => {
    const members: string[] = [];
    for (let left = reader.u32(); left > 0; left -= 1) members.push(reader.text());
    return members;
  };
  const dropped = list().map(parseRootPath);
  const decoder = new ManifestDecoder(limits, { partial: true });
  for (const block of list()) decoder.push(Buffer.from(block, 'latin1'));
  const packs = list().map((pack) => Buffer.from(pack, 'latin1'));
  if (!reader.done) throw new TowError('bad-message', 'a delta is followed by something else');
  return { part: decoder.finish(), dropped, packs };
}

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1');
}

function isDirectoryOf(directories: ReadonlyMap<RootPath, Directory>, path: RootPath): boolean {
  const siblings = directories.get(parentOf(path))?.entries ?? [];
  return siblings[indexOfName(siblings, nameOf(path))]?.kind === 'dir';
}

function refuse(what: string, path: RootPath): never {
  throw new TowError('bad-message', `a manifest's delta ${what} ${JSON.stringify(displayPath(path))}`);
}
