import { cancelled, throwIfAborted } from '../../base/abort.ts';

/** Resolves with whether more packs are of use. */
type TakePack = (pack: Buffer) => Promise<boolean>;

/**
 * Packs that come before they are asked for (`pull.foreseen`): called for at once, held back until the pull knows what it
 * lacks, then taken one by one until one says that it is enough. To be disposed of.
 */
export class ForeseenPacks implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #call: Promise<unknown>;
  #open: (take: TakePack) => void = () => undefined;
  /** Resolves when no more are of use. */
  readonly #enough: Promise<void>;

  /** `call` asks for them and hands them over one after the other. */
  constructor(
    call: (onPack: (pack: Buffer) => Promise<void>, signal: AbortSignal) => Promise<unknown>,
    signal: AbortSignal,
  ) {
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    const opened = new Promise<TakePack>((resolve, reject) => {
      this.#open = resolve;
      stop.addEventListener('abort', () => reject(stop.reason), { once: true });
    });
    opened.catch(() => undefined);
    let isEnough: () => void = () => undefined;
    this.#enough = new Promise((resolve) => {
      isEnough = resolve;
    });
    let goesOn = true;
    const onPack = async (pack: Buffer): Promise<void> => {
      const take = await opened;
      throwIfAborted(stop);
      if (!goesOn) return;
      goesOn = await take(pack);
      if (!goesOn) isEnough();
    };
    this.#call = call(onPack, stop);
    // Told to whoever takes them, if anybody does.
    this.#call.catch(() => undefined);
  }

  /**
   * Has them taken, those that came and those that will, while `take` says that more are of use; resolves when there are no
   * more, or that is enough: then nobody waits for the end of the call. Rejects as the call, and as `take`.
   */
  async takeAll(take: TakePack): Promise<void> {
    this.#open(take);
    await Promise.race([this.#call, this.#enough]);
  }

  /** Nobody wants them any more. */
  giveUp(): void {
    this.#stop.abort(cancelled());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.giveUp();
    await this.#call.catch(() => undefined);
  }
}
