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
      const send: SendFrame = async (...parts) => await (await raceSignal(attached, stop))(...parts);
      await work(send, stop);
    });
  }

  /** Resolves when all is sent; rejects as what makes them, and as `send`. */
  async sendTo(send: SendFrame): Promise<void> {
    if (this.#taken) return;
    this.#taken = true;
    this.#attach(send);
    await this.#group.wait();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(cancelled());
    await this.#group.wait().catch(() => undefined);
  }
}
