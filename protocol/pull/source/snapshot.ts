import type { Problem } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import type { Digest } from '../../chunk/digest.ts';
import type { Manifest, ManifestTotals } from '../../chunk/manifest.ts';
import type { Advance } from './advance.ts';
import type { FirstLevel } from './compression.ts';
import type { EarlyRanges } from './early-ranges.ts';
import type { SendFrame } from './pack-sender.ts';

/** How a snapshot is taken. */
export interface SnapshotOptions {
  /** Read every file again instead of trusting what stat says. */
  readonly verify: boolean;
  /** Files looked at and bytes read so far. */
  readonly onProgress?: (files: number, bytes: number) => void;
  /** Who takes files as they are read, and who is told meanwhile what large ones have of former ones. */
  readonly advance?: Advance;
  readonly early?: EarlyRanges;
}

/** How chunks go on their way. */
export interface ServeOptions {
  /** How they are compressed; undefined to send all of them raw. */
  readonly compression: FirstLevel | undefined;
  /** Whether the replica can make files from git packs. */
  readonly fromGit?: boolean;
  /** Chunk bytes that go along with a delta, at most; as many as there is room for if undefined. */
  readonly pushBytes?: number;
}

/** What leads a replica from one manifest to another. */
export interface Delta {
  /** What is at the source, but ignored, of all that the base has and the snapshot has not; undefined if that is too much to tell. */
  readonly ignored: readonly RootPath[] | undefined;
  /** Whether it lacks so much that it should ask what git packs have of it, as `hasObjectsFor` has it. */
  readonly objects: boolean;
  /** As it travels (chunk/delta-codec.ts). */
  readonly bytes: Buffer;
  /** Sends what the replica will lack and is too much to go along, as `sendChunks` does; ordinals count the chunks of the delta's part. Called once. */
  readonly sendForeseen: ((send: SendFrame, signal: AbortSignal) => Promise<void>) | undefined;
}

/** A root at one moment, with what it takes to serve it. Immutable; holds no open files. */
export interface Snapshot {
  /** Unique in this process; names the snapshot on the wire. */
  readonly id: string;
  readonly manifest: Manifest;
  readonly digest: Digest;
  readonly totals: ManifestTotals;
  /** Paths that could not be read; each is an `unknown` entry of the manifest. */
  readonly problems: readonly Problem[];
  /** Sentences for the user: a `.git` file that points outside, nothing but ignored files in a directory, … */
  readonly warnings: readonly string[];
  /** Sockets, FIFOs and devices left out. */
  readonly skipped: number;

  /** Sends the manifest as blocks (chunk/manifest-codec.ts), one `send` each, waiting for each. */
  sendManifest(send: (block: Buffer) => Promise<void>, signal: AbortSignal): Promise<void>;

  /**
   * Sends the chunks with the given ordinals (first, count, …, ascending) as packs (chunk/pack.ts). Reads, checks every
   * chunk against its digest, and compresses in worker threads, a bounded number of packs ahead of `send`.
   * Throws `source-changed` when a file does not have its chunk any more; the file is hashed again by the next scan.
   */
  sendChunks(
    ranges: readonly number[],
    send: (...parts: readonly Uint8Array[]) => Promise<void>,
    options: ServeOptions,
    signal: AbortSignal,
  ): Promise<void>;

  /** Sends packs of objects (chunk/file-pack.ts) for what chunks of `ranges` are in, as far as git has it in packs that are in the snapshot. */
  sendObjects(
    ranges: readonly number[],
    send: (frame: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;

  /** Whether the snapshot has git packs, and a replica that is far can make files from them. */
  hasObjectsFor(options: ServeOptions): boolean;

  /**
   * What leads a replica that has `base` here in one step (chunk/manifest-delta.ts): the directories that differ and, if
   * they are few, the chunks that no earlier version of their files had. Undefined when that is more than `maxBytes`.
   * Throws as `sendChunks` does.
   */
  deltaFrom(base: Manifest, maxBytes: number, options: ServeOptions, signal: AbortSignal): Promise<Delta | undefined>;

  /** Of `paths`, not in the manifest: indexes of those that are at the source now, but ignored. Asynchronous, reads the disk. */
  classify(paths: readonly RootPath[], signal: AbortSignal): Promise<number[]>;
}
