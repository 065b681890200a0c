import type { StoreAccess } from '../../protocol/wire/store-access.ts';

/** Long enough that a hundred nodes which ask at once are one question, in ms. */
const sharedMs = 30_000;

/** What opens a bucket, asked for once for all who ask within a while. */
export class SharedAccess {
  readonly #ask: (signal: AbortSignal) => Promise<StoreAccess>;
  readonly #signal: AbortSignal;
  #last: { readonly at: number; readonly access: Promise<StoreAccess> } | undefined;

  /** `signal` is that of all who share. */
  constructor(ask: (signal: AbortSignal) => Promise<StoreAccess>, signal: AbortSignal) {
    this.#ask = ask;
    this.#signal = signal;
  }

  async get(): Promise<StoreAccess> {
    const now = performance.now();
    if (this.#last === undefined || now - this.#last.at > sharedMs) {
      const last = { at: now, access: this.#ask(this.#signal) };
      this.#last = last;
      last.access.catch(() => {
        if (this.#last === last) this.#last = undefined;
      });
    }
    return await this.#last.access;
  }
}
