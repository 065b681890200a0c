/** The sender's side of a stream's byte credits: what it may still send before the receiver has taken something. */
export class CreditWindow {
  #bytes: number;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Resolves when there is credit for `bytes`, which is then used up; false once the window is closed. One waiter at a time. */
  async take(bytes: number): Promise<boolean> {
    while (this.#bytes < bytes && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#bytes -= bytes;
    return !this.#closed;
  }

  give(bytes: number): void {
    this.#bytes += bytes;
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
