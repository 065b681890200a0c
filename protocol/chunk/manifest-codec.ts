/**
 * A manifest as a sequence of blocks (manifest-block.ts), in the order that ordinals count: the root, then directories
 * in path order, each with its entries in name order. A directory that does not fit is continued, a file with more
 * chunks than a block has room for likewise; so every block fits one data frame, whatever the tree is like.
 *
 * The decoder trusts nothing: see `ManifestDecoder`. Whether the manifest is the one that was meant is another
 * question, answered by `manifestDigest`.
 */
import { assert } from '../base/assert.ts';
import { TowError } from '../base/errors.ts';
import {
  displayPath,
  isSafeName,
  joinPath,
  nameOf,
  parentOf,
  parseRootPath,
  type RootPath,
} from '../base/root-path.ts';
import { chunkCount, type Entry, recordBytes } from './entry.ts';
import { indexOfName } from './index-of-name.ts';
import type { Directory, Manifest } from './manifest.ts';
import { decodeBlock, encodeBlock, maxBlockChunks, maxBlockRows, type Segment } from './manifest-block.ts';

/** Bytes of names, texts and the rest in one block, about. */
const blockTextBytes = 192 << 10;
const rowBytes = 24;
const longestLinkText = 4095;
/** Mean bytes of name, path and text an entry may have; front coding could blow a small message up without it. */
const meanTextBytes = 128;

/** The blocks of a manifest. Encoding one takes some milliseconds: let the event loop run in between. */
export function* encodeManifest(manifest: Manifest): Generator<Buffer, void, void> {
  const builder = new BlockBuilder();
  yield* builder.add(undefined, [manifest.root]);
  for (const path of [...manifest.directories.keys()].sort()) {
    yield* builder.add(path, manifest.directories.get(path)?.entries ?? []);
  }
  yield builder.flush();
}

/** Gathers rows until a block is full. */
class BlockBuilder {
  #segments: Segment[] = [];
  #rows = 0;
  #chunks = 0;
  #textBytes = 0;

  *add(path: RootPath | undefined, entries: readonly Entry[]): Generator<Buffer, void, void> {
    if (this.#rows >= maxBlockRows || this.#textBytes >= blockTextBytes) yield this.flush();
    let open: Entry[] = [];
    const close = (continues: boolean): void => {
      this.#segments.push({ path, entries: open, continues });
      open = [];
    };
    this.#textBytes += rowBytes + (path?.length ?? 0);
    this.#rows += 1;
    for (const entry of entries) {
      if (this.#rows >= maxBlockRows || this.#chunks >= maxBlockChunks || this.#textBytes >= blockTextBytes) {
        if (open.length > 0) close(false);
        yield this.flush();
      }
      let rest = entry;
      while (rest.kind === 'file' && chunkCount(rest.content) > maxBlockChunks - this.#chunks) {
        const room = (maxBlockChunks - this.#chunks) * recordBytes;
        open.push({ ...rest, content: rest.content.slice(0, room) });
        close(true);
        yield this.flush();
        rest = { ...rest, content: rest.content.slice(room) };
      }
      this.#rows += 1;
      if (rest.kind === 'file') this.#chunks += chunkCount(rest.content);
      this.#textBytes += rowBytes + rest.name.length + (rest.kind === 'file' ? 0 : rest.content.length);
      open.push(rest);
    }
    if (open.length > 0 || entries.length === 0) close(false);
  }

  flush(): Buffer {
    const block = encodeBlock(this.#segments);
    this.#segments = [];
    this.#rows = 0;
    this.#chunks = 0;
    this.#textBytes = 0;
    return block;
  }
}

/** What a decoder will take; `limits` of the wire fits. */
export interface ManifestLimits {
  readonly manifestEntries: number;
  readonly manifestBlockBytes: number;
  readonly pathBytes: number;
}

/**
 * Puts a manifest together from blocks of a peer that may be hostile. Throws `bad-message` or `limit-exceeded` unless:
 * names are safe, in order and unique; every `dir` entry has its directory and the other way round; a hard link names an
 * earlier `file`; a symlink's text has no NUL; lengths, modes and times are in range; there are at most
 * `limits.manifestEntries` entries. Memory stays in proportion to what was received and accepted.
 */
export class ManifestDecoder {
  readonly #limits: ManifestLimits;
  readonly #isPart: boolean;
  readonly #directories = new Map<RootPath, Entry[]>();
  #root: Entry | undefined;
  #path: RootPath | undefined;
  #count = 0;
  #textBytes = 0;
  #partial: { readonly entry: Entry; readonly lists: string[]; size: number } | undefined;
  #finished = false;

  /** `partial`: some directories of a manifest, for `applyDelta`; how they hang together is not checked here. */
  constructor(limits: ManifestLimits, { partial }: { readonly partial: boolean } = { partial: false }) {
    this.#limits = limits;
    this.#isPart = partial;
  }

  /** Takes the next block; blocking, some milliseconds. Keeps nothing of the block's memory. */
  push(block: Buffer): void {
    assert(!this.#finished, 'a manifest decoder was used after its end');
    for (const segment of decodeBlock(block, this.#limits.manifestBlockBytes)) this.#segment(segment);
  }

  /** The whole manifest. Blocking: some tens of milliseconds for 100,000 entries. */
  finish(): Manifest {
    this.#finished = true;
    const root = this.#root;
    if (root === undefined || this.#partial !== undefined) throw new TowError('bad-message', 'a manifest is cut off');
    if (root.kind !== 'dir' && this.#directories.size > 0)
      throw new TowError('bad-message', 'a manifest has entries below a file');
    if (root.kind === 'hardlink' || root.kind === 'unknown')
      throw new TowError('bad-message', `a manifest's root is ${root.kind}`);
    const directories = new Map<RootPath, Directory>();
    let expected = root.kind === 'dir' ? 1 : 0;
    for (const [path, entries] of this.#directories) {
      directories.set(path, { path, entries });
      if (this.#isPart) continue;
      for (const entry of entries) {
        if (entry.kind === 'dir') {
          expected += 1;
          if (!this.#directories.has(joinPath(path, entry.name)))
            this.#refuse('has no entries for directory', joinPath(path, entry.name));
        } else if (entry.kind === 'hardlink') this.#checkLink(joinPath(path, entry.name), entry.content);
      }
    }
    if (this.#isPart) return { root, directories };
    if (root.kind === 'dir' && !this.#directories.has('')) this.#refuse('has no entries for directory', '');
    if (expected !== this.#directories.size)
      throw new TowError('bad-message', 'a manifest has a directory without an entry');
    return { root, directories };
  }

  #segment({ path, entries, continues }: Segment): void {
    if (path === undefined) {
      this.#rootRow(entries, continues);
      return;
    }
    if (this.#root === undefined) throw new TowError('bad-message', 'a manifest does not begin with its root');
    if (this.#partial !== undefined && (entries.length === 0 || path !== this.#path))
      this.#refuse('leaves a file unfinished in', path);
    const into = this.#directory(path);
    entries.forEach((entry, at) => this.#row(into, entry, continues && at === entries.length - 1));
  }

  #rootRow(entries: readonly Entry[], continues: boolean): void {
    const [entry, ...more] = entries;
    const continued = this.#partial !== undefined && this.#path === undefined;
    if (entry === undefined || more.length > 0 || entry.name !== '' || (this.#root !== undefined && !continued)) {
      throw new TowError('bad-message', 'a manifest has a second root');
    }
    this.#admit(entry);
    this.#root = this.#complete(entry, continues) ?? entry;
  }

  #directory(path: RootPath): Entry[] {
    if (path === this.#path) return this.#directories.get(path) ?? [];
    if (path.length > this.#limits.pathBytes)
      throw new TowError('limit-exceeded', `a path of ${path.length} bytes in a manifest`);
    if (this.#path === undefined ? !this.#isPart && path !== '' : path <= this.#path)
      this.#refuse('is out of order at', path);
    if (this.#isPart) parseRootPath(path);
    else if (path !== '' && (!isSafeName(nameOf(path)) || !this.#directories.has(parentOf(path))))
      this.#refuse('has no way to', path);
    this.#charge(path.length);
    this.#path = path;
    const entries: Entry[] = [];
    this.#directories.set(path, entries);
    return entries;
  }

  #row(into: Entry[], entry: Entry, continues: boolean): void {
    const last = into.at(-1);
    if (this.#partial === undefined) {
      if (!isSafeName(entry.name))
        throw new TowError('bad-message', `unsafe name ${JSON.stringify(displayPath(entry.name))} in a manifest`);
      if (last !== undefined && last.name >= entry.name) this.#refuse('is out of order at', entry.name);
      if (entry.kind === 'symlink' && !isLinkText(entry.content)) this.#refuse('has an impossible symlink', entry.name);
      if (entry.kind === 'hardlink' && entry.content.length > this.#limits.pathBytes)
        this.#refuse('has an impossible hard link', entry.name);
    }
    this.#admit(entry);
    const complete = this.#complete(entry, continues);
    if (complete !== undefined) into.push(complete);
  }

  #admit(entry: Entry): void {
    this.#charge(entry.name.length + (entry.kind === 'file' ? 0 : entry.content.length));
    const partial = this.#partial?.entry;
    if (partial !== undefined && (partial.name !== entry.name || entry.kind !== 'file'))
      this.#refuse('leaves a file unfinished before', entry.name);
  }

  #charge(textBytes: number): void {
    const { manifestEntries } = this.#limits;
    this.#count += 1;
    this.#textBytes += textBytes;
    if (this.#count > 2 * manifestEntries || this.#textBytes > meanTextBytes * manifestEntries) {
      throw new TowError(
        'limit-exceeded',
        `a manifest of more than ${manifestEntries} entries or ${meanTextBytes} times as many bytes`,
      );
    }
  }

  /** The entry, with what came of it in earlier blocks; undefined while more is to come. */
  #complete(entry: Entry, continues: boolean): Entry | undefined {
    if (this.#partial === undefined && !continues) return entry;
    if (entry.kind !== 'file') this.#refuse('continues what is no file', entry.name);
    const partial = this.#partial ?? { entry, lists: [], size: 0 };
    partial.lists.push(entry.content);
    partial.size += entry.size;
    if (!Number.isSafeInteger(partial.size)) this.#refuse('has too long a file', entry.name);
    this.#partial = continues ? partial : undefined;
    if (continues) return undefined;
    const content = Buffer.from(partial.lists.join(''), 'latin1').toString('latin1');
    return { ...partial.entry, size: partial.size, content };
  }

  #checkLink(path: RootPath, target: RootPath): void {
    const entries = target < path ? this.#directories.get(parentOf(target)) : undefined;
    if (entries?.[indexOfName(entries, nameOf(target))]?.kind !== 'file')
      this.#refuse('has a hard link to no earlier file', path);
  }

  #refuse(what: string, path: RootPath): never {
    throw new TowError('bad-message', `a manifest ${what} ${JSON.stringify(displayPath(path))}`);
  }
}

function isLinkText(text: string): boolean {
  return text.length > 0 && text.length <= longestLinkText && !text.includes('\0');
}
