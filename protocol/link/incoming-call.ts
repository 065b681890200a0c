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
  /** Bytes that are to come with the call, and who waits for them. */
  readonly payloadBytes: number;
  #payload: Buffer | undefined;
  #onPayload: (() => void) | undefined;

  constructor(windowBytes: number, payloadBytes: number, sendFrame: SendFrame) {
    this.payloadBytes = payloadBytes;
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

  /** Whether the call's payload has not come yet. */
  get waits(): boolean {
    return this.payloadBytes > 0 && this.#payload === undefined;
  }

  /** Throws when it is not what was announced. */
  takePayload(payload: Buffer): void {
    if (!this.waits || payload.length !== this.payloadBytes)
      throw new TowError('bad-message', `a payload of ${payload.length} bytes, ${this.payloadBytes} were announced`);
    this.#payload = payload;
    this.#onPayload?.();
  }

  /** The payload once it is there; undefined if the call has none. Rejects when the call ends before. */
  async payload(): Promise<Buffer | undefined> {
    if (this.waits && !this.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#onPayload = resolve;
        this.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    if (this.signal.aborted) throw this.#reason();
    return this.#payload;
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
