/** A thread that works on an object store: the clouds' clients are large and hold the event loop, and end with it. */
import { MessageChannel } from 'node:worker_threads';
import { raceSignal } from '../../protocol/base/abort.ts';
import { toTowError } from '../../protocol/base/errors.ts';
import { toWorkerError } from '../../protocol/base/worker-message.ts';
import { WorkerPool } from '../../protocol/base/worker-pool.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { AccessAnswer, ViaTasks } from './via-tasks.ts';

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
  readonly #channel = new MessageChannel();
  readonly #signal: AbortSignal;

  private constructor(pool: WorkerPool<ViaTasks>, signal: AbortSignal) {
    this.#pool = pool;
    this.#signal = signal;
  }

  /** Opens the store. Rejects as `access` does; of the store nothing is asked yet. */
  static async open(options: ViaThreadOptions, signal: AbortSignal): Promise<ViaThread> {
    const { script, prefix, directory } = options;
    const thread = new ViaThread(new WorkerPool<ViaTasks>(script, 'via', 1), signal);
    try {
      const { port1, port2 } = thread.#channel;
      port1.on('message', () => {
        const answer = (reply: AccessAnswer): void => port1.postMessage(reply);
        options.access(signal).then(
          (newer) => answer({ type: 'access', access: newer }),
          (error: unknown) => answer({ type: 'refused', error: toWorkerError(toTowError(error, 'asking for access')) }),
        );
      });
      port1.unref();
      const input = { access: await options.access(signal), prefix, directory, refresh: port2 };
      await thread.run('open', input, { transfer: [port2] });
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
    this.#channel.port1.close();
    await this.#pool.close();
  }
}
