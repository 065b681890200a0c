import { cancelled, raceSignal } from '../../protocol/base/abort.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { SendFrame } from '../../protocol/pull/source/pack-sender.ts';
import type { Delta } from '../../protocol/pull/source/snapshot.ts';

/**
 * What a node will ask for, made ready before it knows: begun at once, some packs ahead, and sent as soon as the node calls
 * for it. Sent once: what is lost with a link it asks for as ever. To be disposed of.
 */
export class ForeseenPacks implements AsyncDisposable {
  readonly #group: TaskGroup;
  readonly #stop = new AbortController();
  #attach: (send: SendFrame) => void = () => undefined;
  #taken = false;

  constructor(work: NonNullable<Delta['sendForeseen']>, signal: AbortSignal) {
    this.#group = new TaskGroup(AbortSignal.any([signal, this.#stop.signal]));
    const attached = new Promise<SendFrame>((resolve) => {
      this.#attach = resolve;
    });
    this.#group.run(async (stop) => {
      // Whoever takes them may have stopped to: then nobody waits for that.
      const send: SendFrame = async (...parts) => await raceSignal((await raceSignal(attached, stop))(...parts), stop);
      await work(send, stop);
    });
  }

  /** Resolves when all is sent; rejects as what makes them, and as `send`. Aborting `signal` ends all of it. */
  async sendTo(send: SendFrame, signal: AbortSignal): Promise<void> {
    if (this.#taken) return;
    this.#taken = true;
    signal.addEventListener('abort', () => this.#stop.abort(cancelled()), { once: true });
    this.#attach(send);
    await this.#group.wait();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(cancelled());
    await this.#group.wait().catch(() => undefined);
  }
}
