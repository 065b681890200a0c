/** Fills wanted chunks from objects of git packs, which the root has or is about to have. */
import { TowError } from '../../base/errors.ts';
import { absolutePath, type NativePath, nameOf, parentOf, type RootPath } from '../../base/root-path.ts';
import { type Digest, digestOf } from '../../chunk/digest.ts';
import { chunkCount, chunkDigest, chunkLength, type Entry, isHole } from '../../chunk/entry.ts';
import { decodeFilePack } from '../../chunk/file-pack.ts';
import { indexOfName } from '../../chunk/index-of-name.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { limits } from '../../wire/limits.ts';
import type { Placement } from './plan.ts';
import { type Made, type MadeFiles, type PackPlace, PromisedFiles } from './promised-files.ts';
import type { Stage } from './stage.ts';
import type { Wants } from './wants.ts';
import type { FileStep } from './worker.ts';

export interface GitSources {
  /** Absolute, latin1. */
  readonly root: string;
  readonly manifest: Manifest;
  readonly placements: readonly Placement[];
  readonly stage: Stage;
  readonly wants: Wants;
}

/** A git pack that is being staged. */
interface ComingPack {
  readonly where: NativePath;
  readonly entry: Entry;
  /** The first chunk that may not be there yet, and where it begins. */
  chunk: number;
  available: number;
}

export class FromGit {
  readonly #sources: GitSources;
  readonly #promised = new PromisedFiles();
  /** Of the packs that come: asked for at once, and nothing else may land them meanwhile. */
  readonly #ofPacks = new Set<Digest>();
  /** Of the files that were promised: not asked for until it is known which of them cannot be made. */
  readonly #digests = new Set<Digest>();
  readonly #coming = new Map<RootPath, ComingPack>();

  constructor(sources: GitSources) {
    this.#sources = sources;
    for (const placement of sources.placements) {
      const { path, entry } = placement;
      if (entry.kind !== 'file' || !path.endsWith('.pack')) continue;
      this.#coming.set(path, { where: sources.stage.where(placement), entry, chunk: 0, available: 0 });
      for (const digest of digestsOf(entry)) this.#ofPacks.add(digest);
    }
  }

  /** Takes a pack of objects; those of files that the manifest lacks are of no use. Throws `bad-message`. */
  promise(frame: Buffer): void {
    const pack = decodeFilePack(frame, limits);
    if (pack.codec !== 'git') throw new TowError('bad-message', 'a pack of files where objects were asked for');
    const files = pack.files.filter(({ path }) => this.#entryAt(path) !== undefined);
    this.#promised.add({ ...pack, files });
    for (const { path } of files) {
      const entry = this.#entryAt(path);
      if (entry === undefined) continue;
      for (const digest of digestsOf(entry)) if (!this.#ofPacks.has(digest)) this.#digests.add(digest);
    }
  }

  /** What is wanted and was not promised, as `Wants.ranges` has it. */
  unpromised(maxRuns: number): number[][] {
    return this.#sources.wants.ranges(maxRuns, this.#digests);
  }

  /** Makes files for some ms, and takes of them what is wanted and as it should be. Blocking. */
  make(): MadeFiles & FileStep {
    const { wants } = this.#sources;
    const before = wants.bytes;
    let finishedFiles = 0;
    const onMade = ({ file, bytes }: Made): void => {
      const entry = this.#entryAt(file.path);
      if (bytes !== undefined && entry?.size === bytes.length) finishedFiles += this.#take(bytes, entry);
    };
    const more = this.#promised.take((pack) => this.#placeOf(pack), onMade);
    return { bytes: before - wants.bytes, finishedFiles, more };
  }

  #take(made: Buffer, { content }: Entry): number {
    const { wants } = this.#sources;
    let finished = 0;
    let offset = 0;
    for (let at = 0; at < chunkCount(content); at += 1) {
      const bytes = made.subarray(offset, offset + chunkLength(content, at));
      offset += bytes.length;
      if (isHole(content, at)) continue;
      const digest = chunkDigest(content, at);
      if (this.#digests.has(digest) && wants.has(digest) && digestOf(bytes) === digest)
        finished += wants.satisfy(digest, bytes);
    }
    return finished;
  }

  #placeOf(path: RootPath): PackPlace | undefined {
    if (this.#entryAt(path) === undefined) return undefined;
    const coming = this.#coming.get(path);
    // One that stays as it is, unless it is none of ours: what is made of it is looked at in any case.
    if (coming === undefined) return { where: absolutePath(this.#sources.root, path), available: undefined };
    const { content } = coming.entry;
    for (; coming.chunk < chunkCount(content); coming.chunk += 1) {
      if (!isHole(content, coming.chunk) && this.#sources.wants.has(chunkDigest(content, coming.chunk))) break;
      coming.available += chunkLength(content, coming.chunk);
    }
    if (coming.available === 0) return undefined;
    return { where: coming.where, available: coming.chunk === chunkCount(content) ? undefined : coming.available };
  }

  #entryAt(path: RootPath): Entry | undefined {
    const entries = this.#sources.manifest.directories.get(parentOf(path))?.entries ?? [];
    const entry = entries[indexOfName(entries, nameOf(path))];
    return entry?.kind === 'file' ? entry : undefined;
  }

  /** Lets go of open files. */
  close(): void {
    this.#promised.close();
  }
}

function* digestsOf({ content }: Entry): Generator<Digest, void, void> {
  for (let at = 0; at < chunkCount(content); at += 1) if (!isHole(content, at)) yield chunkDigest(content, at);
}
