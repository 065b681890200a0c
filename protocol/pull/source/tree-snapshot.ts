import { throwIfAborted } from '../../base/abort.ts';
import { type Problem, TowError } from '../../base/errors.ts';
import { displayPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import { encodeDelta } from '../../chunk/delta-codec.ts';
import type { Digest } from '../../chunk/digest.ts';
import { objectsFromBytes } from '../../chunk/file-pack.ts';
import type { Manifest, ManifestTotals } from '../../chunk/manifest.ts';
import { splitBlock } from '../../chunk/manifest-block.ts';
import { encodeManifest } from '../../chunk/manifest-codec.ts';
import { deltaBetween } from '../../chunk/manifest-delta.ts';
import { limits } from '../../wire/limits.ts';
import { ChunkLocator } from './chunk-locator.ts';
import { foresee } from './foresee.ts';
import { gitPacksOf } from './git-packs.ts';
import { newRanges } from './new-ranges.ts';
import { PackSender } from './pack-sender.ts';
import type { Delta, ServeOptions, Snapshot } from './snapshot.ts';
import type { SourceTasks, WalkInput } from './tasks.ts';

export interface TreeSnapshotOptions {
  readonly id: string;
  readonly manifest: Manifest;
  readonly digest: Digest;
  readonly totals: ManifestTotals;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  readonly skipped: number;
  readonly where: Omit<WalkInput, 'cancel'>;
  readonly pool: WorkerPool<SourceTasks>;
  /** Called with the path of a file that has not the bytes the manifest says. */
  readonly onChanged: (path: RootPath) => void;
}

/** With more, a replica asks for itself, while its delta is on its way. */
const mostRemoved = 10_000;
/** Of paths that go with the call. */
const mostIgnoredBytes = 64 << 10;
/** Paths that are looked for in git's index at once: it is read each time. */
const pathsTogether = 20_000;

/** A snapshot of a tree on this machine's disk. */
export class TreeSnapshot implements Snapshot {
  readonly id: string;
  readonly manifest: Manifest;
  readonly digest: Digest;
  readonly totals: ManifestTotals;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  readonly skipped: number;
  readonly #options: TreeSnapshotOptions;
  #locator: Promise<ChunkLocator> | undefined;

  constructor(options: TreeSnapshotOptions) {
    this.id = options.id;
    this.manifest = options.manifest;
    this.digest = options.digest;
    this.totals = options.totals;
    this.problems = options.problems;
    this.warnings = options.warnings;
    this.skipped = options.skipped;
    this.#options = options;
  }

  async sendManifest(send: (block: Buffer) => Promise<void>, signal: AbortSignal): Promise<void> {
    const turns = new Turns();
    for (const block of encodeManifest(this.manifest)) {
      throwIfAborted(signal);
      await send(block);
      if (turns.over) await turns.next();
    }
  }

  async sendChunks(
    ranges: readonly number[],
    send: (...parts: readonly Uint8Array[]) => Promise<void>,
    options: ServeOptions,
    signal: AbortSignal,
  ): Promise<void> {
    this.#locator ??= ChunkLocator.of(this.manifest);
    await this.#packs(options).send(await this.#locator, ranges, send, signal);
  }

  async sendObjects(
    ranges: readonly number[],
    send: (frame: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { pool, where } = this.#options;
    const packs = gitPacksOf(this.manifest);
    if (packs.length === 0) return;
    this.#locator ??= ChunkLocator.of(this.manifest);
    const turns = new Turns();
    let paths: RootPath[] = [];
    const find = async (): Promise<void> => {
      for (const frame of await pool.run('findObjects', { root: where.root, packs, paths }, signal)) await send(frame);
      paths = [];
    };
    for (const path of (await this.#locator).files(ranges)) {
      paths.push(path);
      if (paths.length === pathsTogether) await find();
      if (turns.over) await turns.next();
    }
    if (paths.length > 0) await find();
  }

  hasObjectsFor({ fromGit, compression }: ServeOptions): boolean {
    return fromGit === true && compression === 'far' && gitPacksOf(this.manifest).length > 0;
  }

  async deltaFrom(
    base: Manifest,
    maxBytes: number,
    options: ServeOptions,
    signal: AbortSignal,
  ): Promise<Delta | undefined> {
    const delta = deltaBetween(base, this.manifest);
    if (delta === undefined) return undefined;
    const standing = this.#ignored(delta.removed, signal);
    // Told to whoever gets the delta.
    standing.catch(() => undefined);
    const blocks: Buffer[] = [];
    let left = maxBytes - delta.removed.reduce((sum, path) => sum + path.length + 4, 64);
    const turns = new Turns();
    for (const block of encodeManifest(delta.part)) {
      blocks.push(block);
      // Most of its digests the replica has.
      left -= splitBlock(block).columns.length + 8;
      if (left < 0) return undefined;
      if (turns.over) await turns.next();
    }
    const ranges = await newRanges(base, delta.part, Math.min(left, options.pushBytes ?? left));
    const packs: Buffer[] = [];
    if (ranges !== undefined && ranges.length > 0) {
      const send = async (...parts: readonly Uint8Array[]): Promise<void> => void packs.push(Buffer.concat(parts));
      await this.#packs(options).send(await ChunkLocator.of(delta.part), ranges, send, signal);
    }
    const bytes = await encodeDelta(base, delta, blocks, packs);
    if (bytes === undefined || bytes.length > maxBytes) return undefined;
    const objects =
      ranges === undefined &&
      this.hasObjectsFor(options) &&
      (await newRanges(base, delta.part, objectsFromBytes)) === undefined;
    const foreseen = ranges === undefined && options.pushBytes === undefined && !objects;
    return {
      bytes,
      ignored: await standing,
      objects,
      sendForeseen: foreseen ? this.#senderOf(base, delta.part, options) : undefined,
    };
  }

  async #ignored(removed: readonly RootPath[], signal: AbortSignal): Promise<RootPath[] | undefined> {
    if (removed.length > mostRemoved) return undefined;
    const found = removed.length === 0 ? [] : await this.classify(removed, signal);
    const ignored = found.map((at) => removed[at] ?? '');
    const bytes = ignored.reduce((sum, path) => sum + path.length, 0);
    return ignored.length > limits.ignoredNamed || bytes > mostIgnoredBytes ? undefined : ignored;
  }

  #senderOf(base: Manifest, part: Manifest, options: ServeOptions): Delta['sendForeseen'] {
    return async (send, signal) => {
      const ranges = await foresee(base, part, signal);
      if (ranges.length > 0) await this.#packs(options).send(await ChunkLocator.of(part), ranges, send, signal);
    };
  }

  #packs({ compression }: ServeOptions): PackSender {
    const { pool, where } = this.#options;
    const onChanged = (path: RootPath, reason: string): TowError => this.#changed(path, reason);
    return new PackSender({ pool, root: where.root, compression, onChanged });
  }

  #changed(path: RootPath, reason: string): TowError {
    this.#options.onChanged(path);
    return new TowError('source-changed', `${displayPath(path)} ${reason}`, {
      hint: 'it changed while it was being synced; run the command again',
      retryable: true,
    });
  }

  async classify(paths: readonly RootPath[], signal: AbortSignal): Promise<number[]> {
    const { pool, where } = this.#options;
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    const standings = await pool.run('stand', { ...where, cancel, paths }, signal);
    return standings.flatMap(({ state }, at) => (state === 'ignored' || state === 'unsent' ? [at] : []));
  }
}
