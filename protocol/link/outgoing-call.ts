import type * as v from 'valibot';
import { TowError } from '../base/errors.ts';
import { parseMessage } from '../wire/codec.ts';
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
  failed(error: unknown): void;
}

/** The caller's side of one call: takes its events, its data and its one completion, in the order they came. */
export class OutgoingCall<M extends Method> implements CallSink {
  readonly #name: string;
  readonly #method: M;
  readonly #options: CallOptions<M>;
  readonly #wire: CallWire;
  readonly #settled: PromiseLike<v.InferOutput<M['result']>>;
  #resolve: (result: v.InferOutput<M['result']>) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  /** Data being taken; never rejects. */
  #taking: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #unreturned = 0;
  #underWay = 0;
  readonly windowBytes: number;

  constructor(name: string, method: M, options: CallOptions<M>, wire: CallWire) {
    this.#name = name;
    this.#method = method;
    this.#options = options;
    this.#wire = wire;
    this.windowBytes = method.stream ? (options.windowBytes ?? defaultWindowBytes) : 0;
    this.#settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get settled(): PromiseLike<v.InferOutput<M['result']>> {
    return this.#settled;
  }

  event(body: unknown): void {
    this.#options.onEvent?.(parseMessage(this.#method.event, body, `an event of ${this.#name}`));
  }

  /** Throws when the peer sent more than it had credit for. */
  data(payload: Buffer): void {
    this.#underWay += payload.length;
    if (this.#underWay > this.windowBytes)
      throw new TowError(
        'bad-message',
        `${this.#name} sent ${this.#underWay} bytes on a credit of ${this.windowBytes}`,
      );
    this.#taking = this.#taking.then(() => this.#take(payload));
  }

  async #take(payload: Buffer): Promise<void> {
    if (this.#failure === undefined) {
      try {
        await this.#options.onData?.(payload);
      } catch (error) {
        this.#failure = { error };
        this.#wire.cancel();
      }
    }
    this.#underWay -= payload.length;
    this.#unreturned += payload.length;
    // Credit goes back in a few large pieces, not one a frame.
    if (this.#unreturned * 4 < this.windowBytes) return;
    this.#wire.credit(this.#unreturned);
    this.#unreturned = 0;
  }

  done(result: unknown): void {
    void this.#taking.then(() => {
      if (this.#failure !== undefined) return this.#reject(this.#failure.error);
      try {
        return this.#resolve(parseMessage(this.#method.result, result, `the result of ${this.#name}`));
      } catch (error) {
        return this.#reject(error);
      }
    });
  }

  failed(error: unknown): void {
    void this.#taking.then(() => this.#reject(this.#failure?.error ?? error));
  }
}

const defaultWindowBytes = 8 << 20;
