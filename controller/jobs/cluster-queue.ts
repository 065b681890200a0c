import { raceSignal } from '../../protocol/base/abort.ts';

/** A place at the head of a queue, until it is ended; whoever it is given to ends it then. */
export class Turn {
  #end: (() => void) | undefined;
  #given = false;

  constructor(end: () => void) {
    this.#end = end;
  }

  end(): void {
    this.#end?.();
    this.#end = undefined;
  }

  /** Passes the turn on: `endUnlessGiven` leaves it alone from now on. */
  give(): void {
    this.#given = true;
  }

  endUnlessGiven(): void {
    if (!this.#given) this.end();
  }
}

/** One job at a time a cluster, in the order they came. */
export class ClusterQueue {
  #last: Promise<void> = Promise.resolve();
  #length = 0;

  /** How many hold or wait for their turn. */
  get length(): number {
    return this.#length;
  }

  /** Waits for one's turn. An aborted wait gives its place up. */
  async turn(signal: AbortSignal): Promise<Turn> {
    const before = this.#last;
    let finish: () => void = () => undefined;
    const ours = new Promise<void>((resolve) => {
      finish = resolve;
    });
    this.#last = before.then(() => ours);
    this.#length += 1;
    const turn = new Turn(() => {
      this.#length -= 1;
      finish();
    });
    try {
      await raceSignal(before, signal);
      return turn;
    } catch (error) {
      turn.end();
      throw error;
    }
  }
}
