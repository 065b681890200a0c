/** A thread that works on an object store: the clouds' clients are large and hold the event loop, and end with it. */
import { raceSignal } from '../../protocol/base/abort.ts';
import { WorkerPool } from '../../protocol/base/worker-pool.ts';
import { AccessPort } from '../../protocol/store/port/access-port.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { ViaTasks } from './via-tasks.ts';

export interface ViaThreadOptions {
  /** Bundle that serves the role 'via'. */
  readonly script: string;
  readonly prefix: string;
  readonly directory: string;
  access(signal: AbortSignal): Promise<StoreAccess>;
}

/** Dispose of it to end it, in the middle of a task too. */
export class ViaThread implements AsyncDisposable {
  readonly #pool: WorkerPool<ViaTasks>;
  readonly #newer: AccessPort;
  readonly #signal: AbortSignal;

  private constructor(script: string, newer: AccessPort, signal: AbortSignal) {
    this.#pool = new WorkerPool(script, 'via', 1);
    this.#newer = newer;
    this.#signal = signal;
  }

  /** Opens the store. Rejects as `access` does; of the store nothing is asked yet. */
  static async open(options: ViaThreadOptions, signal: AbortSignal): Promise<ViaThread> {
    const { script, prefix, directory } = options;
    const newer = new AccessPort(() => options.access(signal));
    const thread = new ViaThread(script, newer, signal);
    try {
      const input = { access: await options.access(signal), prefix, directory, refresh: newer.forThread };
      await thread.run('open', input, { transfer: [newer.forThread] });
      return thread;
    } catch (error) {
      await thread[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Rejects with what the task rejects with, and `cancelled`: dispose of it then. */
  async run<N extends keyof ViaTasks>(
    task: N,
    input: ViaTasks[N]['input'],
    options: Parameters<WorkerPool<ViaTasks>['run']>[3] = {},
  ): Promise<ViaTasks[N]['output']> {
    return await raceSignal(this.#pool.run(task, input, this.#signal, options), this.#signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#newer[Symbol.dispose]();
    await this.#pool.close();
  }
}
