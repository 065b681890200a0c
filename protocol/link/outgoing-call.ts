import type * as v from 'valibot';
import { TowError } from '../base/errors.ts';
import { parseMessage } from '../wire/codec.ts';
import { limits } from '../wire/limits.ts';
import type { Method } from '../wire/method.ts';
import type { CallOptions } from './link.ts';

/** What an outgoing call needs of its link. */
export interface CallWire {
  credit(bytes: number): void;
  cancel(): void;
}

/** What a link feeds into a call that it made. */
export interface CallSink {
  event(body: unknown): void;
  data(payload: Buffer): void;
  done(result: unknown): void;
  failed(error: TowError): void;
  lost(error: TowError): void;
}

/** The caller's side of one call: takes its events, its data and its one completion, in the order they came. */
export class OutgoingCall<M extends Method> implements CallSink {
  readonly #name: string;
  readonly #method: M;
  readonly #options: CallOptions<M>;
  readonly #wire: CallWire;
  /** The peer's completion, once all data before it was taken. */
  readonly settled: PromiseLike<v.InferOutput<M['result']>>;
  readonly windowBytes: number;
  #resolve: (result: v.InferOutput<M['result']>) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  /** Data being taken; never rejects. */
  #taking: Promise<void> = Promise.resolve();
  /** What `onData` or `onEvent` threw. */
  #failure: { readonly error: unknown } | undefined;
  /** Nobody wants what still comes. */
  #abandoned = false;
  #completed = false;
  /** What the peer may still send, and what was taken and not yet given back. */
  #credit: number;
  #unreturned = 0;

  constructor(name: string, method: M, options: CallOptions<M>, wire: CallWire) {
    this.#name = name;
    this.#method = method;
    this.#options = options;
    this.#wire = wire;
    this.windowBytes = method.stream
      ? Math.min(options.windowBytes ?? defaultWindowBytes, limits.streamWindowBytes)
      : 0;
    this.#credit = this.windowBytes;
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The caller cancels: what still comes is dropped, until the completion. */
  abandon(): void {
    this.#abandoned = true;
    if (!this.#completed) this.#wire.cancel();
  }

  event(body: unknown): void {
    if (this.#abandoned || this.#completed) return;
    const event = parseMessage(this.#method.event, body, `an event of ${this.#name}`);
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Throws when the peer sent without credit. */
  data(payload: Buffer): void {
    if (this.#completed) return;
    if (this.#credit <= 0)
      throw new TowError(
        'bad-message',
        `data of ${this.#name} without credit, on a window of ${this.windowBytes} bytes`,
      );
    this.#credit -= payload.length + limits.dataFrameOverheadBytes;
    this.#taking = this.#taking.then(() => this.#take(payload));
  }

  async #take(payload: Buffer): Promise<void> {
    if (this.#abandoned) return;
    // Whoever takes it may give its memory away.
    const bytes = payload.length + limits.dataFrameOverheadBytes;
    try {
      await this.#options.onData?.(payload);
    } catch (error) {
      this.#fail(error);
    }
    this.#unreturned += bytes;
    // Credit goes back in a few large pieces, not one a frame.
    if (this.#completed || this.#abandoned || this.#unreturned * 4 < this.windowBytes) return;
    this.#credit += this.#unreturned;
    this.#wire.credit(this.#unreturned);
    this.#unreturned = 0;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.abandon();
  }

  done(result: unknown): void {
    this.#complete(() => {
      if (this.#failure === undefined)
        this.#resolve(parseMessage(this.#method.result, result, `the result of ${this.#name}`));
      else this.#reject(this.#failure.error);
    });
  }

  failed(error: TowError): void {
    this.#complete(() => this.#reject(this.#failure?.error ?? error));
  }

  /** The link is gone: data that waits is dropped, what is being taken is waited for. A call that was complete stays so. */
  lost(error: TowError): void {
    if (this.#completed) return;
    this.#abandoned = true;
    this.failed(error);
  }

  #complete(settle: () => void): void {
    if (this.#completed) return;
    this.#completed = true;
    this.#taking.then(settle).catch((error: unknown) => this.#reject(error));
  }
}

const defaultWindowBytes = 8 << 20;
