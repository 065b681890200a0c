import { cancelled } from '../base/abort.ts';
import { TowError } from '../base/errors.ts';
import { limits } from '../wire/limits.ts';
import { CreditWindow } from './credit-window.ts';

/** What an incoming call needs of its link: sends one frame, waiting for its turn; false once the link is gone. */
export type SendFrame = (parts: readonly Uint8Array[], bytes: number) => Promise<boolean>;

/** The callee's side of one call: its signal, and the credit it has to send data. */
export class IncomingCall {
  readonly #abort = new AbortController();
  readonly #window: CreditWindow;
  readonly #sendFrame: SendFrame;
  /** The frame before the next one; never rejects. */
  #sending: Promise<void> = Promise.resolve();
  #over = false;

  constructor(windowBytes: number, sendFrame: SendFrame) {
    this.#window = new CreditWindow(windowBytes);
    this.#sendFrame = sendFrame;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the call still may say something. */
  get over(): boolean {
    return this.#over;
  }

  credit(bytes: number): void {
    this.#window.give(bytes);
  }

  /** Frames go in the order of the calls of `send`, one at a time. */
  send(parts: readonly Uint8Array[]): Promise<void> {
    const sent = this.#sending.then(() => this.#deliver(parts));
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  async #deliver(parts: readonly Uint8Array[]): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    if (bytes > limits.dataFrameBytes) {
      throw new TowError(
        'limit-exceeded',
        `a data frame of ${bytes} bytes, at most ${limits.dataFrameBytes} are allowed`,
      );
    }
    const allowed = (await this.#window.take(bytes + limits.dataFrameOverheadBytes)) && !this.#over;
    if (!allowed || !(await this.#sendFrame(parts, bytes))) throw this.#reason();
  }

  #reason(): TowError {
    const reason: unknown = this.signal.reason;
    return reason instanceof TowError ? reason : cancelled();
  }

  /** The caller wants no more of it, or cannot be reached: the handler is told, and cannot send any more. */
  end(reason: TowError): void {
    this.#abort.abort(reason);
    this.#window.close();
  }

  /** Its completion is on its way: nothing may follow. */
  finish(): void {
    this.#over = true;
    this.#window.close();
  }
}
