import { raceSignal } from '../../protocol/base/abort.ts';

/** One job at a time a cluster, in the order they came. */
export class ClusterQueue {
  #last: Promise<void> = Promise.resolve();
  #length = 0;

  /** How many hold or wait for their turn. */
  get length(): number {
    return this.#length;
  }

  /** Waits for one's turn; the turn lasts until the returned function is called. An aborted wait gives its place up. */
  async turn(signal: AbortSignal): Promise<() => void> {
    const before = this.#last;
    let finish: () => void = () => undefined;
    const ours = new Promise<void>((resolve) => {
      finish = resolve;
    });
    this.#last = before.then(() => ours);
    this.#length += 1;
    const leave = (): void => {
      this.#length -= 1;
      finish();
    };
    try {
      await raceSignal(before, signal);
      return leave;
    } catch (error) {
      leave();
      throw error;
    }
  }
}
