import { cancelled, throwIfAborted } from '../../base/abort.ts';

type TakePack = (pack: Buffer) => Promise<void>;

/**
 * Packs that come before they are asked for (`pull.foreseen`): called for at once, held back until the pull knows what it
 * lacks, then taken one by one. To be disposed of; what is not taken then is given up.
 */
export class ForeseenPacks implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #call: Promise<unknown>;
  #open: (take: TakePack) => void = () => undefined;

  /** `call` asks for them and hands them over one after the other. */
  constructor(call: (onPack: TakePack, signal: AbortSignal) => Promise<unknown>, signal: AbortSignal) {
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    const opened = new Promise<TakePack>((resolve, reject) => {
      this.#open = resolve;
      stop.addEventListener('abort', () => reject(stop.reason), { once: true });
    });
    opened.catch(() => undefined);
    const onPack: TakePack = async (pack) => {
      const take = await opened;
      throwIfAborted(stop);
      await take(pack);
    };
    this.#call = call(onPack, stop);
    // Told to whoever takes them, if anybody does.
    this.#call.catch(() => undefined);
  }

  /** Has them taken, those that came and those that will; resolves when there are no more. Rejects as the call, and as `take`. */
  async takeAll(take: TakePack): Promise<void> {
    this.#open(take);
    await this.#call;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(cancelled());
    await this.#call.catch(() => undefined);
  }
}
