import { throwIfAborted } from '../../base/abort.ts';
import type { TowError } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import { TaskGroup } from '../../base/task-group.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import { encodePackHeader, packTargetBytes } from '../../chunk/pack.ts';
import type { ChunkLocator, PackPlan } from './chunk-locator.ts';
import { CompressionChoice, type FirstLevel } from './compression.ts';
import type { PackOutput, SourceTasks } from './tasks.ts';

/** Packs that are read, compressed or waiting to be sent at one time, beyond one a thread. */
const packsAhead = 2;

/** Takes a frame in parts; resolves when they may be written to again. */
export type SendFrame = (...parts: readonly Uint8Array[]) => Promise<void>;

export interface PackSenderOptions {
  readonly pool: WorkerPool<SourceTasks>;
  readonly root: string;
  readonly compression: FirstLevel | undefined;
  /** The error for a file that has not the bytes its manifest says. */
  readonly onChanged: (path: RootPath, reason: string) => TowError;
}

interface UnderWay {
  readonly plan: PackPlan;
  readonly quality: number | undefined;
  readonly into: SharedArrayBuffer;
  readonly output: Promise<PackOutput>;
}

/** Has packs made in worker threads, a few at a time, and sends them in order. */
export class PackSender {
  readonly #options: PackSenderOptions;
  readonly #choice: CompressionChoice;
  /** Used again and again: a megabyte of new memory a pack costs more than reading what goes into it. */
  readonly #free: SharedArrayBuffer[] = [];

  constructor(options: PackSenderOptions) {
    this.#options = options;
    this.#choice = new CompressionChoice(options.compression);
  }

  get #windowPacks(): number {
    return this.#options.pool.size + packsAhead;
  }

  /**
   * Sends the chunks of `ranges` (first, count, …) of `locator`, each pack by one `send`. Rejects with what `onChanged`
   * makes, and `cancelled`.
   */
  async send(locator: ChunkLocator, ranges: readonly number[], send: SendFrame, signal: AbortSignal): Promise<void> {
    const group = new TaskGroup(signal);
    group.run((stop) => this.#sendAll(locator, ranges, send, stop, group));
    await group.wait();
  }

  async #sendAll(
    locator: ChunkLocator,
    ranges: readonly number[],
    send: SendFrame,
    signal: AbortSignal,
    group: TaskGroup,
  ): Promise<void> {
    const window: UnderWay[] = [];
    const sendFirst = async (): Promise<void> => {
      const first = window.shift();
      if (first === undefined) return;
      const delivered = await this.#deliver(first, send, signal);
      if (delivered === 'too-long') {
        // It hardly shrank: in smaller packs, then.
        const runs = first.plan.runs.flatMap((run) => [run.first, run.count]);
        for (const plan of locator.plan(runs, () => packTargetBytes))
          await this.#deliver(this.#begin(plan, signal, group), send, signal);
      }
      this.#choice.sent(first.plan.rawBytes, first.quality, delivered === 'brotli');
    };
    for (const plan of locator.plan(ranges, () => this.#choice.packBytes)) {
      throwIfAborted(signal);
      window.push(this.#begin(plan, signal, group));
      if (window.length >= this.#windowPacks) await sendFirst();
    }
    while (window.length > 0) await sendFirst();
  }

  #begin(plan: PackPlan, signal: AbortSignal, group: TaskGroup): UnderWay {
    const { pool, root } = this.#options;
    const { parts, rawBytes } = plan;
    const { quality } = this.#choice;
    const into = this.#takeBuffer(rawBytes);
    const output = pool.run('pack', { root, parts, rawBytes, quality, into, maxBytes: packTargetBytes }, signal);
    // The group owns the task, so that none outlives the call, whichever failed first.
    group.run(async () => void (await output));
    return { plan, quality, into, output };
  }

  /** The codec it went out with; `too-long` when the pack is longer than a frame may be. */
  async #deliver(
    { plan, into, output: made }: UnderWay,
    send: SendFrame,
    signal: AbortSignal,
  ): Promise<'raw' | 'brotli' | 'too-long'> {
    const output = await made;
    if (output.type === 'changed') throw this.#options.onChanged(output.path, output.reason);
    throwIfAborted(signal);
    if (output.type === 'body')
      await send(encodePackHeader(output.codec, plan.rawBytes, plan.runs), new Uint8Array(into, 0, output.length));
    this.#free.push(into);
    return output.type === 'body' ? output.codec : 'too-long';
  }

  #takeBuffer(bytes: number): SharedArrayBuffer {
    const buffer = this.#free.pop();
    return buffer !== undefined && buffer.byteLength >= bytes
      ? buffer
      : new SharedArrayBuffer(Math.max(bytes, packTargetBytes));
  }
}
