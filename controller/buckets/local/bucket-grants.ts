import { TowError } from '../../../protocol/base/errors.ts';
import type { LocalBuckets } from './local-buckets.ts';
import type { LocalStore } from './local-store.ts';
import { type StoreHandlers, storeHandlers } from './store-handlers.ts';

export type BucketAccess = 'read' | 'write';

/** Which buckets nodes may use now: what a node asks for is served only if the bucket was opened for that node. */
export class BucketGrants {
  readonly #buckets: LocalBuckets;
  readonly #grants = new Set<{ readonly keyId: string; readonly bucket: string; readonly access: BucketAccess }>();

  constructor(buckets: LocalBuckets) {
    this.#buckets = buckets;
  }

  /** Opens a bucket for a node until the returned function is called. Several openings hold independently of each other. */
  open(keyId: string, bucket: string, access: BucketAccess): () => void {
    const grant = { keyId, bucket, access };
    this.#grants.add(grant);
    return () => this.#grants.delete(grant);
  }

  /** What the controller serves to the node with this key. */
  handlersFor(keyId: string): StoreHandlers {
    return storeHandlers((bucket, access) => this.#storeFor(keyId, bucket, access));
  }

  #storeFor(keyId: string, bucket: string, access: BucketAccess): LocalStore {
    const grants = [...this.#grants].filter((grant) => grant.keyId === keyId && grant.bucket === bucket);
    if (grants.length === 0) throw new TowError('store-forbidden', `the bucket ${bucket} is not opened for this node`);
    if (access === 'write' && !grants.some((grant) => grant.access === 'write'))
      throw new TowError('store-forbidden', `the bucket ${bucket} is opened for this node to read only`);
    return this.#buckets.get(bucket);
  }
}
