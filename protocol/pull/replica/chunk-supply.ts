/** Where the chunks that a staged pull still wants come from, one by one and in any order: the source, an object store, git packs. */
import { assert } from '../../base/assert.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import type { CataloguedBlock } from './chunk-store.ts';
import { explainDiskFull } from './disk-full.ts';
import { FromGit, type GitSources } from './from-git.ts';
import { StoredChunks, type StoredStep } from './stored-chunks.ts';
import { chunksOf, type PartChunk, unpack, unpackForeseen } from './unpack.ts';
import type { FileStep } from './worker.ts';

/** What is wanted still: as `Wants.ranges` has it, and its bytes. */
export interface Left {
  readonly ranges: readonly (readonly number[])[];
  readonly bytes: number;
}

export class ChunkSupply {
  readonly #sources: GitSources;
  readonly #wire: Manifest;
  readonly #part: Manifest | undefined;
  #partChunks: readonly PartChunk[] | undefined;
  #stored: StoredChunks | undefined;
  #fromGit: FromGit | undefined;
  #madeBytes = 0;

  /** `wire` is the manifest as the source numbers its chunks, `part` that of the delta that the pull is made by. */
  constructor(sources: GitSources, wire: Manifest, part: Manifest | undefined) {
    this.#sources = sources;
    this.#wire = wire;
    this.#part = part;
  }

  /** Takes one pack: every chunk is checked against its digest before it is written anywhere. Blocking. */
  pack(pack: Buffer): FileStep {
    return this.#diskFull(() => unpack(pack, this.#sources.wants));
  }

  /** Takes a pack that was not asked for: what of it is wanted. Checked as any other. Blocking. */
  foreseen(pack: Buffer): FileStep & { readonly left: number } {
    assert(this.#part !== undefined, 'foreseen packs without a delta');
    this.#partChunks ??= chunksOf(this.#part);
    const { wants } = this.#sources;
    const before = wants.bytes;
    const chunks = this.#partChunks;
    const { finishedFiles } = this.#diskFull(() => unpackForeseen(pack, chunks, wants));
    return { bytes: before - wants.bytes, finishedFiles, left: wants.bytes };
  }

  /** Which chunks to ask an object store for: first, count, …, as its catalogue numbers them. */
  catalogued(): readonly number[] {
    this.#stored = new StoredChunks(this.#wire, this.#sources.wants);
    return this.#stored.ranges();
  }

  /** Takes a block of an object store: what of it is wanted and as it should be. Blocking. */
  block(block: CataloguedBlock): StoredStep {
    const stored = this.#stored;
    assert(stored !== undefined, 'block before catalogued');
    return this.#diskFull(() => stored.take(block));
  }

  /** What makes wanted files from git packs, once some were promised. */
  get fromGit(): FromGit {
    this.#fromGit ??= new FromGit(this.#sources);
    return this.#fromGit;
  }

  /** Makes some of the files that were promised. Blocking. */
  make(): ReturnType<FromGit['make']> {
    const made = this.#diskFull(() => this.fromGit.make());
    this.#madeBytes += made.bytes;
    return made;
  }

  /** Chunk bytes that were made of what the node had. */
  get madeBytes(): number {
    return this.#madeBytes;
  }

  left(maxRuns: number): Left {
    const { wants } = this.#sources;
    return { ranges: wants.ranges(maxRuns), bytes: wants.bytes };
  }

  /** Lets go of open files. */
  close(): void {
    this.#sources.wants.close();
    this.#fromGit?.close();
  }

  #diskFull<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explainDiskFull(error, this.#sources.stage.directory);
    }
  }
}
