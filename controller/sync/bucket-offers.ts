import { randomUUID } from 'node:crypto';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import type { ControllerMethods } from '../../protocol/wire/methods.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';

type Renew = (signal: AbortSignal) => Promise<StoreAccess>;

/** The buckets that nodes copy from now: a node is given newer access to those that were offered to it, and no others. */
export class BucketOffers {
  readonly #offers = new Map<string, Renew>();

  /** Offers a bucket to a node until `withdraw` is called. */
  offer(keyId: string, renew: Renew): { readonly id: string; withdraw(): void } {
    const id = randomUUID();
    const key = `${keyId} ${id}`;
    this.#offers.set(key, renew);
    return { id, withdraw: () => void this.#offers.delete(key) };
  }

  /** What the controller serves to the node with this key. */
  handlersFor(keyId: string): Pick<Handlers<ControllerMethods>, 'bucket.access'> {
    return {
      'bucket.access': async ({ offer }, { signal }) => {
        const renew = this.#offers.get(`${keyId} ${offer}`);
        if (renew === undefined)
          throw new TowError('credentials-expired', 'this bucket is not on offer any more', {
            hint: 'run the command again',
          });
        return { access: await renew(signal) };
      },
    };
  }
}
