import { setMaxListeners } from 'node:events';

/**
 * Owns a set of promises: on the first failure the others are told to stop through `signal`, and `wait` returns only
 * when all have ended (Go's errgroup). Nothing started here can outlive `wait`.
 */
export class TaskGroup {
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #failed = false;
  #failure: unknown;
  /** Stops listening to the parent, which may live much longer. */
  #leave = (): void => undefined;

  constructor(parent?: AbortSignal) {
    // Every task listens here: many are no leak.
    setMaxListeners(0, this.#abort.signal);
    if (parent === undefined) return;
    if (parent.aborted) {
      this.#abort.abort(parent.reason);
      return;
    }
    const onAbort = (): void => this.#abort.abort(parent.reason);
    parent.addEventListener('abort', onAbort, { once: true, signal: this.#abort.signal });
    this.#leave = () => parent.removeEventListener('abort', onAbort);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  run(task: (signal: AbortSignal) => Promise<void>): void {
    const promise = task(this.signal)
      .catch((error: unknown) => {
        if (!this.#failed) {
          this.#failed = true;
          this.#failure = error;
        }
        this.#abort.abort(error);
      })
      .finally(() => this.#running.delete(promise));
    this.#running.add(promise);
  }

  /** Resolves when every task has ended; rejects with the first failure. */
  async wait(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#leave();
    if (this.#failed) throw this.#failure;
  }
}
