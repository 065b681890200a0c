import { TowError } from '../../base/errors.ts';

/** Bytes on their way from a stream to whoever reads them: a frame is let go of when the reader asks for the next. */
export class ReceivedBytes {
  readonly #frames: { readonly frame: Buffer; readonly taken: () => void }[] = [];
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  /** Resolves when the frame was read, or nobody wants it. */
  async take(frame: Buffer): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.#frames.push({ frame, taken: resolve });
      this.#wake?.();
    });
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** What was received and not read is lost. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#close();
    this.#wake?.();
  }

  /** To be read once. Rejects with what it failed with, or when not `expected` bytes came. `onLeave` is called at the end. */
  async *read(expected: number, onLeave: () => void): AsyncGenerator<Buffer, void, undefined> {
    let bytes = 0;
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.error;
        const next = this.#frames.shift();
        if (next !== undefined) {
          bytes += next.frame.length;
          if (bytes > expected) break;
          yield next.frame;
          next.taken();
          continue;
        }
        if (this.#ended) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (bytes !== expected)
        throw new TowError('store-unreachable', `${bytes} bytes came of ${expected}`, { retryable: true });
    } finally {
      this.#close();
      onLeave();
    }
  }

  #close(): void {
    this.#closed = true;
    for (const { taken } of this.#frames.splice(0)) taken();
  }
}
