import { TowError } from '../base/errors.ts';

/**
 * The sender's side of a stream's byte credits: what it may still send before the receiver has taken something. A frame
 * may go while any credit is left, and may overdraw it: so one that is longer than the window passes, too.
 */
export class CreditWindow {
  readonly #windowBytes: number;
  #bytes: number;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
    this.#bytes = windowBytes;
  }

  /** Resolves when there is credit, which `bytes` are then taken of; false once the window is closed. One waiter at a time. */
  async take(bytes: number): Promise<boolean> {
    while (this.#bytes <= 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#bytes -= bytes;
    return !this.#closed;
  }

  /** Throws `bad-message` when the receiver gives more than was taken. */
  give(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#windowBytes)
      throw new TowError('bad-message', `credit of ${this.#bytes} bytes on a window of ${this.#windowBytes}`);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
