/**
 * One look at a whole source: a worker lists it, others read what changed; here, on the event loop, only bytes are
 * compared and entries built, a few milliseconds at a time.
 */

import type { Problem } from '../../base/errors.ts';
import { displayPath, type RootPath } from '../../base/root-path.ts';
import { TaskGroup } from '../../base/task-group.ts';
import { Turns } from '../../base/turns.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import { maxObjectBytes } from '../../chunk/file-pack.ts';
import type { Advance } from './advance.ts';
import type { EarlyRanges } from './early-ranges.ts';
import { GitPacks, isInGit } from './git-packs.ts';
import { inPartsFromBytes, sentInPartsFromBytes } from './hash-in-parts.ts';
import { hashLarge } from './hash-large.ts';
import { KnownFiles } from './known-files.ts';
import { knownLists, LargeFiles } from './known-lists.ts';
import { type FileStamp, Listing, stampBytes, unframeListings } from './listing.ts';
import { OpenDirectory } from './open-directory.ts';
import type { FileContent, ScannedDirectory } from './scanned-directory.ts';
import type { HashInput, HashOutput, SourceTasks, WalkInput, WalkOutput, WalkPart, WalkTask } from './tasks.ts';
import { walkInParts } from './walk-in-parts.ts';

export interface ScanOptions {
  readonly where: Omit<WalkInput, 'cancel'>;
  /** Look at these directories only; at the whole tree if undefined. */
  readonly only?: readonly WalkPart[];
  /** See `WalkTask.known`. */
  readonly known?: Uint8Array;
  /** Names the ignore rules as they are now. */
  readonly rules: string;
  /** See `WalkTask.tracked`. */
  readonly tracked?: WalkTask['tracked'];
  readonly pool: WorkerPool<SourceTasks>;
  /** What the last scan came to; empty if there was none. Waited for when there is something to compare with it. Never rejects. */
  readonly previous: Promise<Scanned> | Scanned;
  /** All files of the last scan, where `previous` has not all of them. */
  readonly knownFiles?: () => Promise<KnownFiles>;
  /** Read every file, whatever the last scan said. */
  readonly verify: boolean;
  /** Who takes files as they are read, and who is told meanwhile what large ones have of former ones. */
  readonly advance?: Advance;
  readonly early?: EarlyRanges;
  readonly onProgress: (files: number, bytes: number) => void;
  /** Called when the scan fails, with the directories it had come to terms with: true as far as they go. */
  readonly onFailure: (renewed: readonly ScannedDirectory[]) => void;
}

export interface ScanResult {
  /** Every directory that was looked at by path, the root itself as `rootItself`. */
  readonly directories: ReadonlyMap<RootPath, ScannedDirectory>;
  /** Those whose listing is not the one of last time. */
  readonly renewed: readonly ScannedDirectory[];
  /** Whether every entry is as it was last time. */
  readonly same: boolean;
  readonly walk: WalkOutput;
  readonly problems: readonly Problem[];
}

type Scanned = ReadonlyMap<RootPath, ScannedDirectory>;

/** A batch of files for one task holds at most this many files, or bytes but for the last file. */
const batchFiles = 256;
const batchBytes = 8 << 20;
/** Where they are packed together, which is worth more the more there is. */
const sentBatchFiles = 1024;

/** Rejects with `workdir-missing`, `cancelled` and what else a walk throws, once no worker is busy with it any more. */
export async function scan(options: ScanOptions, signal: AbortSignal): Promise<ScanResult> {
  const inParts = options.only === undefined && options.pool.size > 1;
  const result = await new Scan(options, inParts).run(signal);
  if (!inParts || (result.walk.gone.length === 0 && !result.walk.unclear)) return result;
  // A directory went, or cannot be judged by itself: what was read of the others stands.
  const previous = new Map(await options.previous);
  for (const directory of result.renewed) previous.set(directory.path, directory);
  const again = await new Scan({ ...options, previous, verify: false }, false).run(signal);
  return { ...again, renewed: [...result.renewed, ...again.renewed], same: false };
}

interface Job {
  readonly directory: OpenDirectory;
  readonly at: number;
  readonly path: RootPath;
  /** The other names of the file, in path order. */
  readonly links: readonly Link[];
}

interface Batch {
  jobs: Job[];
  bytes: number;
}

/** One of the tasks that list a tree. */
type Walk = object;

interface Link {
  readonly directory: OpenDirectory;
  readonly at: number;
  readonly path: RootPath;
  readonly unchanged: string | undefined;
}

class Scan {
  readonly #options: ScanOptions;
  readonly #cancel = new Int32Array(new SharedArrayBuffer(4));
  readonly #directories = new Map<RootPath, ScannedDirectory>();
  readonly #renewed: ScannedDirectory[] = [];
  readonly #links = new Map<string, Link[]>();
  readonly #problems: Problem[] = [];
  readonly #turns = new Turns();
  /** The batch of listings being dealt with, if any. */
  #taking: Promise<void> = Promise.resolve();
  /** Files to be read, by the walk that listed them: neighbours in the tree are alike, and compress well together. */
  readonly #batches = new Map<Walk | undefined, Batch>();
  #files = 0;
  #bytes = 0;
  #previous: Scanned = new Map();
  /** Where git keeps what it has, as far as that is listed. */
  readonly #gitPacks: GitPacks;
  /** Once there is a directory that the last scan did not know. */
  #knownFiles: KnownFiles | undefined;
  #largeFiles: Promise<LargeFiles> | undefined;
  readonly #inParts: boolean;

  constructor(options: ScanOptions, inParts: boolean) {
    this.#options = options;
    this.#gitPacks = new GitPacks(options.where.root);
    this.#inParts = inParts;
  }

  async run(signal: AbortSignal): Promise<ScanResult> {
    const group = new TaskGroup(signal);
    group.signal.addEventListener('abort', () => Atomics.store(this.#cancel, 0, 1), { once: true });
    let walk: WalkOutput | undefined;
    this.#taking = this.#load();
    group.run(async (stop) => {
      walk = await this.#walk(group, stop);
      await this.#taking;
      for (const links of this.#links.values())
        this.#startLinks(
          links.sort((a, b) => (a.path < b.path ? -1 : 1)),
          undefined,
          group,
        );
      this.#flushAll(group);
    });
    try {
      await group.wait();
    } catch (error) {
      this.#options.onFailure(this.#renewed);
      throw error;
    }
    if (walk === undefined) throw new Error('this is a bug: a walk ended without a result');
    const directories = this.#directories;
    const same =
      directories.size === this.#previous.size &&
      this.#renewed.every(({ path, directory }) => this.#previous.get(path)?.directory === directory);
    return { directories, renewed: this.#renewed, same, walk, problems: [...walk.problems, ...this.#problems] };
  }

  async #load(): Promise<void> {
    this.#previous = await this.#options.previous;
  }

  async #walk(group: TaskGroup, signal: AbortSignal): Promise<WalkOutput> {
    const { pool, where, only, known, rules, tracked: given } = this.#options;
    const walk = async (
      parts: readonly WalkPart[] | undefined,
      tracked: WalkTask['tracked'],
      onFrames: (frames: Uint8Array) => void,
    ): Promise<WalkOutput> => {
      const one: Walk = {};
      const onEvent = (frames: Uint8Array): void => {
        this.#queue(frames, one, group);
        onFrames(frames);
      };
      const input = {
        ...where,
        only: parts,
        ...(known === undefined ? {} : { known }),
        ...(tracked === undefined ? {} : { tracked }),
        rules,
        cancel: this.#cancel,
      };
      return await pool.run('walk', input, signal, { onEvent });
    };
    return this.#inParts ? await walkInParts(walk, pool.size) : await walk(only, given, () => undefined);
  }

  /** Batches may come faster than they can be dealt with; they wait for one another. */
  #queue(frames: Uint8Array, one: Walk, group: TaskGroup): void {
    const taken = this.#taking.then(() => this.#take(frames, one, group));
    this.#taking = taken;
    group.run(() => taken);
  }

  async #take(frames: Uint8Array, one: Walk, group: TaskGroup): Promise<void> {
    const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
    for (const { path, listing } of unframeListings(bytes)) {
      if (this.#turns.over) await this.#turns.next();
      const seen = new Listing(listing);
      // Replicas may be asked later than this.
      if (this.#options.advance !== undefined) await this.#gitPacks.add(path, seen);
      const isNew = this.#previous.size > 0 && !this.#previous.has(path) && !this.#options.verify;
      if (isNew) this.#knownFiles ??= await (this.#options.knownFiles?.() ?? KnownFiles.of(this.#previous));
      this.#directory(path, seen, one, group);
    }
    this.#options.onProgress(this.#files, this.#bytes);
  }

  #directory(path: RootPath, seen: Listing, one: Walk, group: TaskGroup): void {
    const { verify } = this.#options;
    const before = this.#previous.get(path);
    if (!verify && before?.listing.bytes.equals(seen.bytes) === true && !seen.hasLinks()) {
      this.#files += seen.count;
      this.#directories.set(path, before);
      return;
    }
    const directory = new OpenDirectory(path, new Listing(Buffer.from(seen.bytes)), before);
    const unchanged = verify ? [] : before === undefined ? this.#knownFiles?.unchanged(seen) : directory.unchanged();
    for (let at = 0; at < seen.count; at += 1) {
      if (seen.kind(at) !== 'file') {
        this.#files += 1;
        continue;
      }
      const key = seen.linkKey(at);
      const link: Link = { directory, at, path: directory.pathOf(at), unchanged: unchanged?.[at] };
      if (key === undefined) this.#startLinks([link], one, group);
      else this.#links.set(key, [...(this.#links.get(key) ?? []), link]);
    }
    this.#closeIfComplete(directory);
  }

  /** Reads a file with all its names, in path order, or takes over what is known of it. */
  #startLinks([first, ...links]: readonly Link[], one: Walk | undefined, group: TaskGroup): void {
    if (first === undefined) return;
    if (first.unchanged !== undefined) {
      this.#settle({ ...first, links }, { kind: 'file', content: first.unchanged });
      return;
    }
    const size = first.directory.listing.size(first.at);
    const packed = this.#options.advance?.batchBytes;
    const most = packed ?? batchBytes;
    const batch = this.#batchOf(one);
    // A large one is a batch of its own, and what is packed must fit.
    if (size >= this.#inPartsFromBytes || (packed !== undefined && batch.bytes + size > packed))
      this.#flush(batch, group);
    batch.jobs.push({ ...first, links });
    batch.bytes += size;
    if (batch.jobs.length >= (packed === undefined ? batchFiles : sentBatchFiles) || batch.bytes >= most)
      this.#flush(batch, group);
  }

  #batchOf(one: Walk | undefined): Batch {
    const known = this.#batches.get(one);
    if (known !== undefined) return known;
    const batch = { jobs: [], bytes: 0 };
    this.#batches.set(one, batch);
    return batch;
  }

  get #inPartsFromBytes(): number {
    return this.#options.advance?.batchBytes === undefined ? inPartsFromBytes : sentInPartsFromBytes;
  }

  #flushAll(group: TaskGroup): void {
    for (const batch of this.#batches.values()) this.#flush(batch, group);
  }

  #flush(batch: Batch, group: TaskGroup): void {
    const { jobs, bytes } = batch;
    batch.jobs = [];
    batch.bytes = 0;
    if (jobs.length === 0) return;
    group.run(async (stop) => {
      const onEvent = (bytes: number): void => {
        this.#bytes += bytes;
        this.#options.onProgress(this.#files, this.#bytes);
      };
      this.#apply(jobs, await this.#hash(jobs, bytes, onEvent, stop), group);
      // Other names of files that went.
      const others = this.#batches.get(undefined);
      if (others !== undefined) this.#flush(others, group);
    });
  }

  async #hash(
    jobs: readonly Job[],
    bytes: number,
    onEvent: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<HashOutput> {
    const { pool, where, advance, verify } = this.#options;
    const known = knownLists(jobs);
    const cancel = this.#cancel;
    // A root that is one file has no path to send it by.
    const [job] = jobs;
    const size = job?.directory.listing.size(job.at) ?? 0;
    const sent = advance?.batchBytes === undefined || job?.path === '' ? undefined : advance;
    const packs = sent?.fromGit === true ? this.#gitPacks.paths : [];
    const input = { root: where.root, paths: jobs.map(({ path }) => path), known, packs, cancel };
    const inParts =
      jobs.length === 1 && size >= this.#inPartsFromBytes && (sent !== undefined || pool.size > 1) ? job : undefined;
    const mayBeNamed = packs.length > 0 && size <= maxObjectBytes && !isInGit(input.paths[0] ?? '');
    if (inParts !== undefined && mayBeNamed) {
      const output = await this.#hashCarried(input, 0, sent, onEvent, signal);
      const read = output.statuses[0] === 'settled' || output.statuses[0] === 'fresh';
      // If nobody takes files any more there is nothing to be gained by reading it once more.
      if (!read || output.carried.length > 0 || sent?.batchBytes === undefined) return output;
    }
    if (inParts !== undefined) {
      // What is sent as it is read is told its whole list with each of many parts.
      const guess = !known.has(0) && sent === undefined && !verify;
      const largeFiles = guess
        ? (): Promise<LargeFiles> => (this.#largeFiles ??= LargeFiles.of(this.#previous, inPartsFromBytes))
        : undefined;
      const { early } = this.#options;
      const [{ path }, was] = [inParts, known.get(0)];
      const large = { root: where.root, path, size, known: was, verify, largeFiles, early, advance: sent, cancel };
      const output = await hashLarge(pool, large, mayBeNamed ? () => undefined : onEvent, signal);
      if (output !== undefined) return output;
    }
    return await this.#hashCarried(input, bytes, bytes > (sent?.batchBytes ?? 0) ? undefined : sent, onEvent, signal);
  }

  async #hashCarried(
    input: HashInput,
    bytes: number,
    sent: Advance | undefined,
    onEvent: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<HashOutput> {
    const { pool } = this.#options;
    const carry = await sent?.room(bytes, 'packed', signal);
    if (carry === undefined) return await pool.run('hash', input, signal, { onEvent });
    let output: HashOutput | undefined;
    try {
      output = await pool.run('hash', { ...input, carry }, signal, { onEvent });
    } finally {
      sent?.take(carry, output?.carried ?? []);
    }
    return output;
  }

  #apply(jobs: readonly Job[], output: HashOutput, group: TaskGroup): void {
    const lists = Buffer.from(output.lists.buffer, output.lists.byteOffset, output.lists.byteLength);
    const stamps = Buffer.from(output.stamps.buffer, output.stamps.byteOffset, output.stamps.byteLength);
    this.#problems.push(...output.problems);
    let from = 0;
    for (const [index, job] of jobs.entries()) {
      const { listing } = job.directory;
      const end = from + (output.listBytes[index] ?? 0);
      const status = output.statuses[index];
      if (status === 'gone') {
        this.#settle({ ...job, links: [] }, 'gone');
        this.#startLinks(job.links, undefined, group);
      } else if (status === 'settled' || status === 'fresh') {
        const stamp = { mode: output.modes[index] ?? 0, bytes: stamps, from: stampBytes * index };
        const replaced = !listing.isStampOf(job.at, stamp);
        listing.restamp(job.at, stamp);
        if (status === 'fresh') listing.distrust(job.at);
        const content: FileContent = { kind: 'file', content: lists.toString('latin1', from, end) };
        this.#settle(replaced ? { ...job, links: [] } : job, content, stamp);
        if (replaced) this.#startLinks(job.links, undefined, group);
      } else this.#settle(job, { kind: 'unknown', content: '' });
      from = end;
    }
  }

  /** What became of a file is what becomes of its other names. */
  #settle(job: Job, file: FileContent | 'gone', stamp?: FileStamp): void {
    const { directory, at, path, links } = job;
    const read = file !== 'gone' && file.kind === 'file';
    if (!read) directory.listing.distrust(at);
    directory.settle(at, file);
    this.#closeIfComplete(directory);
    this.#files += 1 + links.length;
    for (const link of links) {
      if (stamp !== undefined) link.directory.listing.restamp(link.at, stamp);
      if (!read) {
        link.directory.listing.distrust(link.at);
        const message = `${displayPath(link.path)}: cannot be read, like ${displayPath(path)}, which is the same file`;
        this.#problems.push({ path: link.path, code: 'permission-denied', message });
      }
      link.directory.settle(link.at, read ? { kind: 'hardlink', content: path } : { kind: 'unknown', content: '' });
      this.#closeIfComplete(link.directory);
    }
  }

  #closeIfComplete(directory: OpenDirectory): void {
    if (!directory.complete) return;
    const closed = directory.close();
    this.#directories.set(closed.path, closed);
    this.#renewed.push(closed);
  }
}
