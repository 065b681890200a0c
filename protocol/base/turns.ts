import { setImmediate } from 'node:timers/promises';

const turnMs = 5;

/** Breaks long work on the event loop into turns of some milliseconds. */
export class Turns {
  #since = performance.now();

  /** Whether the turn is over: then await `next`. */
  get over(): boolean {
    return performance.now() - this.#since > turnMs;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
