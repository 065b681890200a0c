import { raceSignal } from '../../base/abort.ts';

/** Keeps jobs from starting while a root is being switched, or before interrupted switches were finished. */
export class RootGate {
  readonly #open = new Set<Promise<void>>();

  /** Runs `work` with the gate held. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    const ended = running.then(
      () => undefined,
      () => undefined,
    );
    this.#open.add(ended);
    try {
      return await running;
    } finally {
      this.#open.delete(ended);
    }
  }

  /** Resolves when nobody holds the gate. */
  async passed(signal: AbortSignal): Promise<void> {
    while (this.#open.size > 0) await raceSignal(Promise.all(this.#open), signal);
  }
}
