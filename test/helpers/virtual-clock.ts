import { setImmediate } from 'node:timers/promises';
import { cancelled, throwIfAborted } from '../../protocol/base/abort.ts';
import type { Clock } from '../../protocol/base/clock.ts';

interface Sleeper {
  dueAt: number;
  readonly wake: () => void;
}

/** Time that passes only when a test says so. */
export class VirtualClock implements Clock {
  #now = 1_000_000;
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#now;
  }

  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const onAbort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(cancelled());
      };
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const sleeper = { dueAt: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Lets time pass, and after each waking all that it sets off. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await setImmediate();
      const [next] = [...this.#sleepers].sort((a, b) => a.dueAt - b.dueAt);
      if (next === undefined || next.dueAt > end) break;
      this.#now = Math.max(this.#now, next.dueAt);
      next.wake();
    }
    this.#now = end;
    await setImmediate();
  }

  /** Time passes and nobody is woken: an event loop that stood still, or a machine that slept. */
  stall(ms: number): void {
    this.#now += ms;
  }

  /** The clock is put back; what sleeps does so as long as it would have. */
  putBack(ms: number): void {
    this.#now -= ms;
    for (const sleeper of this.#sleepers) sleeper.dueAt -= ms;
  }
}
