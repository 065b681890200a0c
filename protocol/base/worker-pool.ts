import { type TransferListItem, Worker } from 'node:worker_threads';
import { throwIfAborted } from './abort.ts';
import { TowError } from './errors.ts';
import { fromWorkerError, type WorkerReply, type WorkerRequest } from './worker-message.ts';

/** What a role's tasks take and give; both must survive structured cloning. */
export type WorkerTasks = Readonly<
  Record<string, { readonly input: unknown; readonly event: unknown; readonly output: unknown }>
>;

export interface RunOptions<E> {
  readonly transfer?: readonly TransferListItem[];
  readonly onEvent?: (event: E) => void;
}

interface Waiting {
  readonly request: WorkerRequest;
  readonly transfer: readonly TransferListItem[];
  readonly onEvent: (event: unknown) => void;
  resolve(output: unknown): void;
  reject(error: unknown): void;
}

/**
 * A fixed set of threads for work that would hold the event loop. A task that has started runs to its end: `signal`
 * drops one that has not. Threads start on first use and do not keep the process alive.
 */
export class WorkerPool<T extends WorkerTasks> {
  readonly #script: string;
  readonly #role: string;
  readonly #size: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  #closed = false;
  #nextId = 1;

  /** `script` is the bundle that dispatches on `workerData.role`. */
  constructor(script: string, role: string, size: number) {
    this.#script = script;
    this.#role = role;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async run<N extends keyof T & string>(
    task: N,
    input: T[N]['input'],
    signal: AbortSignal,
    options: RunOptions<T[N]['event']> = {},
  ): Promise<T[N]['output']> {
    throwIfAborted(signal);
    return await new Promise<T[N]['output']>((resolve, reject) => {
      const waiting: Waiting = {
        request: { id: this.#nextId++, task, input },
        transfer: options.transfer ?? [],
        onEvent: options.onEvent ?? (() => undefined),
        resolve: (output) => {
          signal.removeEventListener('abort', drop);
          resolve(output);
        },
        reject: (error) => {
          signal.removeEventListener('abort', drop);
          reject(error);
        },
      };
      const drop = (): void => {
        const at = this.#queue.indexOf(waiting);
        if (at < 0) return;
        this.#queue.splice(at, 1);
        waiting.reject(signal.reason instanceof TowError ? signal.reason : new TowError('cancelled', 'cancelled'));
      };
      signal.addEventListener('abort', drop, { once: true });
      this.#queue.push(waiting);
      this.#dispatch();
    });
  }

  /** Starts the threads that are not there yet, so that the first tasks do not wait for them. */
  warm(): void {
    while (this.#idle.length + this.#busy.size < this.#size && !this.#closed) this.#idle.push(this.#start());
  }

  /** Ends the threads; tasks under way or waiting are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#queue.splice(0)) waiting.reject(new TowError('cancelled', 'worker pool closed'));
    await Promise.all([...this.#idle.splice(0), ...this.#busy.keys()].map((worker) => worker.terminate()));
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && !this.#closed) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.#size ? this.#start() : undefined);
      const waiting = worker === undefined ? undefined : this.#queue.shift();
      if (worker === undefined || waiting === undefined) return;
      this.#busy.set(worker, waiting);
      worker.postMessage(waiting.request, [...waiting.transfer]);
    }
  }

  #start(): Worker {
    const worker = new Worker(this.#script, { workerData: { role: this.#role } });
    worker.unref();
    worker.on('message', (reply: WorkerReply) => this.#onReply(worker, reply));
    worker.on('error', (error) => this.#onGone(worker, error));
    worker.on('exit', () => this.#onGone(worker, new TowError('internal', `${this.#role} worker exited`)));
    return worker;
  }

  #onReply(worker: Worker, reply: WorkerReply): void {
    const waiting = this.#busy.get(worker);
    if (waiting === undefined || waiting.request.id !== reply.id) return;
    if (reply.type === 'event') {
      waiting.onEvent(reply.event);
      return;
    }
    this.#busy.delete(worker);
    this.#idle.push(worker);
    if (reply.type === 'done') waiting.resolve(reply.output);
    else waiting.reject(fromWorkerError(reply.error));
    this.#dispatch();
  }

  #onGone(worker: Worker, error: unknown): void {
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
    const waiting = this.#busy.get(worker);
    this.#busy.delete(worker);
    waiting?.reject(error);
    this.#dispatch();
  }
}
