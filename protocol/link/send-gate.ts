interface Waiter {
  readonly bytes: number;
  readonly admit: (allowed: boolean) => void;
}

/**
 * Bounds what is handed to the transport: bulk data waits here while `maxBytes` of it (or one frame) are on their way, so
 * that a control message never has more than that, and what the kernel holds, in front of it. First come, first served;
 * each stream has one frame here at a time, so streams take turns.
 */
export class SendGate {
  readonly #maxBytes: number;
  readonly #waiting: Waiter[] = [];
  #bytes = 0;
  #closed = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Resolves when `bytes` may be sent; the caller then owes a `leave`. False, without that debt, once the gate is closed. */
  async enter(bytes: number): Promise<boolean> {
    if (this.#closed) return false;
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#bytes += bytes;
      return true;
    }
    return await new Promise<boolean>((admit) => {
      this.#waiting.push({ bytes, admit });
    });
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#bytes += next.bytes;
      next.admit(true);
    }
  }

  close(): void {
    this.#closed = true;
    for (const { admit } of this.#waiting.splice(0)) admit(false);
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#maxBytes;
  }
}
