/**
 * Bounds what is handed to the transport: bulk data waits here, in the order of arrival, while more than `maxBytes` of
 * it are on their way, so that a control message never has more than that (and what the kernel holds) in front of it.
 */
export class SendGate {
  readonly #maxBytes: number;
  readonly #waiting: (() => void)[] = [];
  #bytes = 0;
  #closed = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Resolves when `bytes` may be sent; the caller then owes a `leave`. False once the gate is closed. */
  async enter(bytes: number): Promise<boolean> {
    while (this.#bytes >= this.#maxBytes && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    if (this.#closed) return false;
    this.#bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    this.#waiting.shift()?.();
  }

  close(): void {
    this.#closed = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
