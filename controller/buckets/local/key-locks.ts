import { throwIfAborted } from '../../../protocol/base/abort.ts';
import type { ByteKey } from './bucket-key.ts';

/** Writes to one key come one after the other, in the order they were asked for. */
export class KeyLocks {
  readonly #last = new Map<ByteKey, Promise<void>>();

  /** Waits for those before; then `task` runs to its end. Cancelled while it waits, it never begins. */
  async run<T>(key: ByteKey, task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const result = before.then(async () => {
      throwIfAborted(signal);
      return await task();
    });
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, ended);
    try {
      return await result;
    } finally {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    }
  }
}
