/**
 * A root on its node. The thread that works on it lives little longer than its pulls, so that a node at rest holds no
 * manifest in memory; what is watched, and what the last pull came to, is kept.
 */
import { collectGarbage } from '../../base/collect-garbage.ts';
import { WorkerPool } from '../../base/worker-pool.ts';
import { trimMemory } from '../../libc/libc.ts';
import type { Link } from '../../link/link.ts';
import type { ControllerMethods } from '../../wire/methods.ts';
import type { PullResult } from '../../wire/pull.ts';
import type { EarlyCall } from './early-copies.ts';
import { type AdvanceCall, type Advanced, fetchInAdvance } from './fetch-in-advance.ts';
import { hadPull } from './files-in-advance.ts';
import { openSession, Pull, type PullOptions, type PullTools } from './pull.ts';
import type { RootGate } from './root-gate.ts';
import { RootWatch } from './root-watch.ts';
import type { SessionOptions } from './session-options.ts';
import type { ReplicaTasks } from './worker.ts';

/** How long a thread outlives its last pull, in ms: it holds the ledger in memory. */
const warmMs = 15_000;
/** After this long without a pull the root is looked at, if parts of it were not since they changed. */
const restMs = 1000;
/** Memory is given back once more so long after a thread has ended, in ms. */
const freeAgainMs = 1000;
let freeingAgain: NodeJS.Timeout | undefined;
/** Replicas of this process that have something to do. */
let busy = 0;

interface Settled {
  readonly source: string;
  readonly result: PullResult;
}

const nothingCame: Advanced = { fetchedBytes: 0, reusedBytes: 0, sentBytes: 0 };

/** One root of a node: pulls one at a time, and knows in between, by watching, whether it is still what the last one left. */
export class Replica implements AsyncDisposable {
  readonly #script: string;
  readonly #gate: RootGate;
  readonly #watch = new RootWatch();
  /** What the last pull came to, if nothing was amiss. */
  #settled: Settled | undefined;
  /** What came before the next pull. */
  #advanced: Advanced = { ...nothingCame };
  #thread: WorkerPool<ReplicaTasks> | undefined;
  #cooling: NodeJS.Timeout | undefined;
  #resting: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  /** What has the turn, and what waits for it. */
  #working = 0;
  #closed = false;

  /** `script` is the bundle that serves the role 'replica'. */
  constructor(script: string, gate: RootGate) {
    this.#script = script;
    this.#gate = gate;
  }

  /**
   * Makes the root equal to the snapshot; waits for the pull before. Cancelling before the switch leaves the root as it
   * was and the stage for the next pull; a switch under way is finished first. Throws `source-changed` when a new
   * snapshot must be taken.
   */
  async pull(link: Link<ControllerMethods>, options: PullOptions, signal: AbortSignal): Promise<PullResult> {
    return await this.#exclusive(async () => {
      clearTimeout(this.#cooling);
      clearTimeout(this.#resting);
      try {
        return this.#unchanged(options.session) ?? (await this.#pull(link, options, signal));
      } finally {
        this.#later(options.session);
      }
    });
  }

  /**
   * Takes files of a source that is being scanned, if the root has none yet; the next pull finds them. One that is under way or waits is worth
   * more. Whatever stops it, the pull is as right without. Returns how many came; undefined if none were wanted.
   */
  async advance(link: Link<ControllerMethods>, options: AdvanceCall, signal: AbortSignal): Promise<number | undefined> {
    // Said at once, without a thread: a scan waits for the answer.
    if (this.#working > 0 || hadPull(options.root.stateDir)) return undefined;
    return await this.#exclusive(async () => {
      clearTimeout(this.#cooling);
      clearTimeout(this.#resting);
      try {
        return await fetchInAdvance(link, this.#tools(), options, this.#advanced, signal);
      } catch (error) {
        await this.#cool();
        throw error;
      } finally {
        if (!this.#closed) this.#cooling = setTimeout(() => void this.#exclusive(() => this.#cool()), warmMs).unref();
      }
    });
  }

  /**
   * Begins a large file of which the source has not read all yet; the next pull finds it, or deletes it. One that is under way is worth
   * more. Returns whether more of the same is of use.
   */
  async early(call: EarlyCall, signal: AbortSignal): Promise<boolean> {
    if (this.#working > 0) return false;
    return await this.#exclusive(async () => {
      clearTimeout(this.#cooling);
      clearTimeout(this.#resting);
      try {
        return await this.#tools().thread.run('early', call, signal);
      } catch (error) {
        await this.#coolUnpulled();
        throw error;
      } finally {
        if (!this.#closed)
          this.#cooling = setTimeout(() => void this.#exclusive(() => this.#coolUnpulled()), warmMs).unref();
      }
    });
  }

  /** What was begun for a pull that did not come, broke off, or had no use for it, goes. */
  async #coolUnpulled(): Promise<void> {
    await this.#thread?.run('dropEarly', undefined, new AbortController().signal).catch(() => undefined);
    await this.#cool();
  }

  /** Ends the thread. Nothing is pulled any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#resting);
    await this.#turn;
    await this.#coolUnpulled();
    this.#watch[Symbol.dispose]();
  }

  /** The result, when it is certain that there is nothing to do. */
  #unchanged({ digest, source, verify }: SessionOptions): PullResult | undefined {
    const settled = this.#settled;
    if (verify || settled?.source !== source || settled.result.digest !== digest) return undefined;
    if (this.#watch.doubtful?.size !== 0) return undefined;
    const { via: _, ...result } = settled.result;
    return { ...result, fetchedBytes: 0, sentBytes: 0, reusedBytes: 0, placed: 0, removed: 0 };
  }

  async #pull(link: Link<ControllerMethods>, options: PullOptions, signal: AbortSignal): Promise<PullResult> {
    this.#settled = undefined;
    const pull = new Pull(link, options, this.#tools(), signal);
    // Of this command, whatever comes of it.
    const advanced = this.#advanced;
    this.#advanced = { ...nothingCame };
    let result: PullResult;
    try {
      result = withAdvanced(await pull.run(), advanced);
    } catch (error) {
      await this.#coolUnpulled();
      throw error;
    }
    const clean = result.digest === options.session.digest && result.conflictCount + result.problemCount === 0;
    if (clean) this.#settled = { source: options.session.source, result };
    return result;
  }

  #later(session: SessionOptions): void {
    if (this.#closed) return;
    this.#cooling = setTimeout(() => void this.#exclusive(() => this.#coolUnpulled()), warmMs).unref();
    this.#resting = setTimeout(() => void this.#exclusive(() => this.#rest(session)), restMs).unref();
  }

  /** Looks at what is in doubt, so that the next pull need not. Changes nothing. */
  async #rest(session: SessionOptions): Promise<void> {
    if (this.#closed || this.#settled === undefined || this.#watch.doubtful?.size === 0) return;
    const { signal } = new AbortController();
    const tools = this.#tools();
    try {
      const { knowsManifest } = await openSession(tools, session, signal);
      if (knowsManifest) this.#watch.lookedAt(await tools.thread.run('look', this.#watch.doubtful, signal));
    } catch {
      // It changed under the look, or cannot be read: the next pull says so.
      await this.#cool();
    }
  }

  #tools(): PullTools {
    this.#thread ??= new WorkerPool(this.#script, 'replica', 1);
    return { thread: this.#thread, gate: this.#gate, watch: this.#watch };
  }

  async #cool(): Promise<void> {
    clearTimeout(this.#cooling);
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread === undefined) return;
    await thread.close();
    freeMemory();
    // V8's threads go on freeing for a while.
    clearTimeout(freeingAgain);
    freeingAgain = setTimeout(() => {
      if (busy === 0) freeMemory();
    }, freeAgainMs).unref();
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#working += 1;
    busy += 1;
    const done = this.#turn.then(work).finally(() => {
      this.#working -= 1;
      busy -= 1;
    });
    this.#turn = done.then(
      () => undefined,
      () => undefined,
    );
    return await done;
  }
}

function freeMemory(): void {
  collectGarbage();
  trimMemory();
}

function withAdvanced(result: PullResult, { fetchedBytes, reusedBytes, sentBytes }: Advanced): PullResult {
  return {
    ...result,
    fetchedBytes: result.fetchedBytes + fetchedBytes,
    reusedBytes: result.reusedBytes + reusedBytes,
    sentBytes: result.sentBytes + sentBytes,
  };
}
