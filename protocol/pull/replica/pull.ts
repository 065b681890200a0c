/** One pull of a root: asks the source over the link for what the thread (session.ts) finds missing, and reports progress. */
import { throwIfAborted } from '../../base/abort.ts';
import { isWithin, parentOf, type RootPath } from '../../base/root-path.ts';
import { TaskGroup } from '../../base/task-group.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import type { Digest } from '../../chunk/digest.ts';
import { objectsFromBytes } from '../../chunk/file-pack.ts';
import type { Link } from '../../link/link.ts';
import { limits } from '../../wire/limits.ts';
import type { ControllerMethods } from '../../wire/methods.ts';
import type { PullEvent, PullResult } from '../../wire/pull.ts';
import { wireBytes } from '../../wire/schema.ts';
import type { ChunkStore } from './chunk-store.ts';
import { ForeseenPacks } from './foreseen-packs.ts';
import { Making } from './making.ts';
import { ownMemory } from './own-memory.ts';
import type { RootGate } from './root-gate.ts';
import type { RootWatch } from './root-watch.ts';
import type { SessionOptions } from './session-options.ts';
import type { ReplicaTasks } from './worker.ts';

export interface PullOptions {
  readonly session: SessionOptions;
  /** The snapshot to pull, as the source calls it. */
  readonly snapshot: string;
  /** What came with the call: a delta from `base`. */
  readonly delta: { readonly base: Digest; readonly bytes: Buffer } | undefined;
  /** Whether packs come without being asked for, if the root is what `delta` leads from. */
  readonly foreseen: boolean;
  /** Of what `delta` takes away, what is at the source but ignored; to be asked if undefined. */
  readonly ignored: readonly RootPath[] | undefined;
  /** Whether to ask what can be made from git packs, if much is wanted. */
  readonly objects: boolean;
  /** Where to look for chunks before the source is asked. */
  readonly store: ChunkStore | undefined;
  readonly onEvent: (event: PullEvent) => void;
}

/** What a pull uses of its root's. */
export interface PullTools {
  readonly thread: WorkerPool<ReplicaTasks>;
  readonly gate: RootGate;
  readonly watch: RootWatch;
}

/** Runs named by one `pull.chunks` call; the control frame limit allows more. */
const maxRuns = 50_000;

/** Manifest paths asked about in one `pull.classify` call, in bytes. */
const classifyBytes = 256 << 10;

/** Bytes that may come before it is known what lacks. */
const foreseenBytes = 16 << 20;

/** Opens a session in a root's thread, and watches the root if it is not watched. */
export async function openSession(
  { thread, gate, watch }: PullTools,
  session: SessionOptions,
  signal: AbortSignal,
): Promise<{ readonly knowsManifest: boolean }> {
  // The root may have a switch to finish, which is one of the things the gate is there for.
  const { knowsManifest, root } = await gate.hold(() => thread.run('open', session, signal));
  if (!watch.begun) await watch.begin(root, await thread.run('ledgerDirectories', undefined, signal));
  return { knowsManifest };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Pull {
  readonly #link: Link<ControllerMethods>;
  readonly #options: PullOptions;
  readonly #signal: AbortSignal;
  readonly #tools: PullTools;
  readonly #thread: WorkerPool<ReplicaTasks>;
  readonly #progress: Mutable<PullEvent> = { phase: 'plan', files: 0, totalFiles: 0, bytes: 0, totalBytes: 0 };
  #fetchedBytes = 0;
  #sentBytes = 0;
  #reported = 0;
  #via: PullResult['via'];

  constructor(link: Link<ControllerMethods>, options: PullOptions, tools: PullTools, signal: AbortSignal) {
    this.#link = link;
    this.#tools = tools;
    this.#options = options;
    this.#signal = signal;
    this.#thread = tools.thread;
  }

  /** Leaves the thread in the middle of a session when it rejects: end that thread. */
  async run(): Promise<PullResult> {
    const { gate, watch } = this.#tools;
    this.#phase('plan');
    const { knowsManifest } = await openSession(this.#tools, this.#options.session, this.#signal);
    // Called for at once: they are on their way while it is found out what lacks.
    await using foreseen =
      this.#options.foreseen && !knowsManifest
        ? new ForeseenPacks(async (onData, stop) => {
            const { snapshot } = this.#options;
            await this.#link.call('pull.foreseen', { snapshot }, { onData, windowBytes: foreseenBytes }, stop);
          }, this.#signal)
        : undefined;
    const byDelta = !knowsManifest && (await this.#takeDelta());
    if (!byDelta) foreseen?.giveUp();
    if (!knowsManifest && !byDelta) await this.#fetchManifest();
    const absent = await this.#task('observe', watch.doubtful);
    const told = byDelta ? this.#options.ignored : undefined;
    const ignored = new Set(told ?? (await this.#classify(absent)));
    const staged = await this.#task(
      'stage',
      absent.flatMap((path, at) => (isWithin(path, ignored) ? [at] : [])),
    );
    if (staged.settled) {
      foreseen?.giveUp();
      await this.#thread.run('settle', undefined, this.#signal);
      return await this.#result();
    }
    this.#progress.totalFiles = staged.files;
    this.#progress.files = staged.finishedFiles;
    this.#progress.totalBytes = staged.wantedBytes;
    this.#phase('fetch');
    await this.#fetchChunks(byDelta ? foreseen : undefined);
    this.#phase('stage');
    await gate.hold(() => this.#switch());
    return await this.#result();
  }

  async #switch(): Promise<void> {
    await this.#task('prepare', undefined);
    this.#phase('switch');
    // No signal from here on: a switch that has begun is finished.
    await this.#thread.run('switch', undefined, new AbortController().signal);
    this.#phase('ledger');
  }

  async #result(): Promise<PullResult> {
    const { problems, conflicts, leftOut, newDirectories, pushedBytes, ...rest } = await this.#thread.run(
      'finish',
      undefined,
      new AbortController().signal,
    );
    this.#tools.watch.lookedAt([]);
    this.#tools.watch.add(newDirectories);
    return {
      ...rest,
      fetchedBytes: this.#fetchedBytes + pushedBytes,
      sentBytes: this.#sentBytes,
      conflicts: conflicts.slice(0, limits.conflictsNamed),
      conflictCount: conflicts.length,
      leftOut: [...leftOut],
      problems: problems.slice(0, limits.problemsNamed),
      problemCount: problems.length,
      ...(this.#via === undefined ? {} : { via: this.#via }),
    };
  }

  async #takeDelta(): Promise<boolean> {
    const { delta } = this.#options;
    if (delta === undefined) return false;
    this.#sentBytes += delta.bytes.length;
    return await this.#task('delta', delta);
  }

  async #fetchManifest(): Promise<void> {
    const onData = async (block: Buffer): Promise<void> => {
      this.#sentBytes += block.length;
      await this.#task('manifestBlock', block);
    };
    await this.#link.call('pull.manifest', { snapshot: this.#options.snapshot }, { onData }, this.#signal);
  }

  /** Those that are at the source, but ignored there. A directory is asked about for all that is below it: what is ignored, is with all that is in it. */
  async #classify(absent: readonly RootPath[]): Promise<ReadonlySet<RootPath>> {
    const all = new Set(absent);
    const asked = absent.filter((path) => path === '' || !all.has(parentOf(path)));
    const ignored = new Set<RootPath>();
    for (let first = 0; first < asked.length; ) {
      const batch = takeBytes(asked, first, classifyBytes);
      const reply = await this.#link.call(
        'pull.classify',
        { snapshot: this.#options.snapshot, paths: batch.map((path) => wireBytes(path)) },
        {},
        this.#signal,
      );
      for (const at of reply.ignored) {
        const path = batch[at];
        if (path !== undefined) ignored.add(path);
      }
      first += batch.length;
    }
    return ignored;
  }

  async #fetchChunks(foreseen: ForeseenPacks | undefined): Promise<void> {
    let reused = await this.#thread.run('reuse', { maxRuns }, this.#signal, {
      onEvent: (step) => this.#advance(step.bytes, step.finishedFiles),
    });
    // What is in several places came at once.
    this.#progress.totalBytes = this.#progress.bytes + reused.bytes;
    if (reused.bytes === 0) foreseen?.giveUp();
    else if (foreseen !== undefined) {
      await foreseen.takeAll(async (pack) => await this.#takeForeseen(pack));
      reused = await this.#task('left', { maxRuns });
    }
    const fromGit = this.#options.objects && reused.bytes >= objectsFromBytes;
    await this.#fetch(fromGit ? await this.#fromGit(reused.ranges) : await this.#fromStore(reused), this.#signal);
  }

  /** Resolves with whether more of them are of use. */
  async #takeForeseen(pack: Buffer): Promise<boolean> {
    this.#sentBytes += pack.length;
    const { bytes, finishedFiles, left } = await this.#thread.run('foreseen', pack, this.#signal, {
      transfer: ownMemory(pack),
    });
    this.#fetchedBytes += bytes;
    this.#advance(bytes, finishedFiles);
    return bytes > 0 && left > 0;
  }

  /** Asks the source for chunks; `onPack` is called once what came is written. */
  async #fetch(
    lists: readonly (readonly number[])[],
    signal: AbortSignal,
    onPack: () => void = () => undefined,
  ): Promise<void> {
    const { snapshot } = this.#options;
    const onData = async (pack: Buffer): Promise<void> => {
      this.#sentBytes += pack.length;
      throwIfAborted(signal);
      const { bytes, finishedFiles } = await this.#thread.run('pack', pack, signal, { transfer: ownMemory(pack) });
      this.#fetchedBytes += bytes;
      this.#advance(bytes, finishedFiles);
      onPack();
    };
    for (const ranges of lists)
      await this.#link.call('pull.chunks', { snapshot, ranges: [...ranges] }, { onData }, signal);
  }

  /** Makes what git packs have, while what they have not comes, which may be the packs; returns what could not be made. */
  async #fromGit(wanted: readonly (readonly number[])[]): Promise<readonly (readonly number[])[]> {
    const { snapshot } = this.#options;
    let promised = false;
    const onData = async (frame: Buffer): Promise<void> => {
      this.#sentBytes += frame.length;
      promised = true;
      await this.#task('promise', frame);
    };
    for (const ranges of wanted)
      await this.#link.call('pull.objects', { snapshot, ranges: [...ranges] }, { onData }, this.#signal);
    if (!promised) return wanted;
    const lists = await this.#task('unpromised', { maxRuns });
    const group = new TaskGroup(this.#signal);
    const making = new Making(group, async (stop) => {
      const made = await this.#thread.run('make', undefined, stop);
      this.#advance(made.bytes, made.finishedFiles);
      return made;
    });
    making.wake();
    group.run(async (stop) => await this.#fetch(lists, stop, () => making.wake()));
    await group.wait();
    return (await this.#task('left', { maxRuns })).ranges;
  }

  /** Takes what the store has; returns what it has not. */
  async #fromStore({ ranges, bytes }: ReplicaTasks['reuse']['output']): Promise<readonly (readonly number[])[]> {
    const { store } = this.#options;
    if (store === undefined || bytes === 0) return ranges;
    const outcome = await store.fetch(
      await this.#thread.run('catalogued', undefined, this.#signal),
      async ({ body, ...block }) => {
        throwIfAborted(this.#signal);
        const taken = await this.#thread.run('block', { ...block, body }, this.#signal, {
          transfer: body.buffer instanceof ArrayBuffer ? [body.buffer] : [],
        });
        this.#fetchedBytes += taken.bytes;
        this.#advance(taken.bytes, taken.finishedFiles);
        return !taken.damaged;
      },
      this.#signal,
    );
    const left = await this.#thread.run('left', { maxRuns }, this.#signal);
    this.#via = { ...outcome, missedBytes: left.bytes };
    return left.ranges;
  }

  async #task<N extends keyof ReplicaTasks>(
    name: N,
    input: ReplicaTasks[N]['input'],
  ): Promise<ReplicaTasks[N]['output']> {
    throwIfAborted(this.#signal);
    return await this.#thread.run(name, input, this.#signal);
  }

  #phase(phase: PullEvent['phase']): void {
    this.#progress.phase = phase;
    this.#options.onEvent({ ...this.#progress });
  }

  /** Ten reports a second at most. */
  #advance(bytes: number, files: number): void {
    this.#progress.bytes += bytes;
    this.#progress.files += files;
    const now = Date.now();
    if (now - this.#reported < 100) return;
    this.#reported = now;
    this.#options.onEvent({ ...this.#progress });
  }
}

/** As many items from `first` as fit in `bytes` and in the wire's limit on paths; at least one. */
function takeBytes(items: readonly string[], first: number, bytes: number): readonly string[] {
  let end = first;
  for (let left = bytes; end < items.length && end - first < 4096; end += 1) {
    left -= (items[end]?.length ?? 0) + 5;
    if (left < 0 && end > first) break;
  }
  return items.slice(first, end);
}
