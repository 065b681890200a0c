/**
 * Tells an object that may not be read from access that was taken away from all: one that could be read is asked for
 * again. Services give both the same answer.
 */
import { TowError } from '../../protocol/base/errors.ts';
import type { ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';

/** What a service says of an object that is not open to who asks: to these keys, or to everybody. */
const denials = new Set(['store-forbidden', 'credentials-missing']);

/** So many denials with nothing in between that could be read, and it is asked whether anything can. */
const mayBeAll = 128;

export class AccessCheck {
  readonly #store: ObjectStore;
  #readable: ObjectStat | undefined;
  /** Denials with nothing in between that could be read. */
  #inARow = 0;
  /** The last denial since it was asked. */
  #denial: TowError | undefined;

  /** `readable`: an object that an earlier run could read, if there is one. */
  constructor(store: ObjectStore, readable: ObjectStat | undefined) {
    this.#store = store;
    this.#readable = readable;
  }

  static isDenial({ code }: TowError): boolean {
    return denials.has(code);
  }

  /** An object could be read. */
  read(object: ObjectStat): void {
    this.#readable = object;
    this.#inARow = 0;
  }

  /** An object could not. Rejects with what ends the copy when none can any more. */
  async denied(denial: TowError, signal: AbortSignal): Promise<void> {
    this.#denial = denial;
    this.#inARow += 1;
    if (this.#inARow % mayBeAll === 0 && this.#readable !== undefined) await this.settle(signal);
  }

  /** When nothing more is under way: whether what was denied was so for its own sake. Rejects as `denied`. */
  async settle(signal: AbortSignal): Promise<void> {
    const denial = this.#denial;
    if (denial === undefined) return;
    if (this.#readable === undefined) throw denial;
    this.#denial = undefined;
    try {
      const options = { range: { start: 0, end: 1 }, ifVersion: this.#readable.version };
      const { bytes } = await this.#store.get(this.#readable.key, options, signal);
      // Leaving the loop is what lets go of the connection.
      for await (const _ of bytes) break;
    } catch (error) {
      if (!(error instanceof TowError)) throw error;
      // Whoever is told that it was replaced has access.
      if (error.code === 'object-changed' || error.code === 'object-missing') return;
      if (!AccessCheck.isDenial(error)) throw error;
      throw new TowError(error.code, `access was lost while copying, what came is kept: ${error.message}`, {
        cause: error.cause,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }
}
