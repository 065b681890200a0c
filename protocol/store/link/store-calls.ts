import type * as v from 'valibot';
import { TowError } from '../../base/errors.ts';
import type { Slots } from '../../base/slots.ts';
import type { CallOptions, Link } from '../../link/link.ts';
import type { ControllerMethods } from '../../wire/methods.ts';
import { storeErrorOf } from './link-error.ts';

type StoreMethod = Extract<keyof ControllerMethods, `store.${string}`>;
type Params<N extends StoreMethod> = v.InferInput<ControllerMethods[N]['params']>;
type Result<N extends StoreMethod> = v.InferOutput<ControllerMethods[N]['result']>;

export interface StoreCallsOptions {
  /** The link to the controller, if there is one now. */
  link(): Link<ControllerMethods> | undefined;
  /** Calls with a payload at a time. Shared by all who make such calls on the link: see `payloadSlots`. */
  readonly slots: Slots;
}

/** Calls with a payload that one link bears: half of what its peer lets wait. */
export const payloadSlots = 8;

/** Calls on buckets of the controller, over the link there is. They reject as an `ObjectStore` does. */
export class StoreCalls {
  readonly #options: StoreCallsOptions;

  constructor(options: StoreCallsOptions) {
    this.#options = options;
  }

  async call<N extends StoreMethod>(
    name: N,
    params: Params<N>,
    signal: AbortSignal,
    options: CallOptions<ControllerMethods[N]> = {},
  ): Promise<Result<N>> {
    try {
      const link = this.#options.link();
      if (link === undefined)
        throw new TowError('link-lost', 'there is no link to the controller', { retryable: true });
      return await link.call(name, params, options, signal);
    } catch (error) {
      throw storeErrorOf(error);
    }
  }

  /** With a payload, when it is its turn. */
  async send<N extends 'store.put' | 'store.part'>(
    name: N,
    params: Params<N>,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Result<N>> {
    return await this.#options.slots.run(async () => await this.call(name, params, signal, { payload }), signal);
  }
}
