import { TowError } from '../base/errors.ts';
import type { StoreAccess } from '../wire/store-access.ts';
import { openGcsStore } from './gcs/gcs-store.ts';
import type { ObjectStore } from './object-store.ts';
import { openS3Store } from './s3/open-s3-store.ts';

export interface OpenStoreOptions {
  /** Requests at once. */
  readonly connections: number;
  /** Newer access to the same bucket, when what was given ends. */
  refresh(): Promise<StoreAccess>;
}

/** Opens a bucket of a cloud. Asks nothing of it yet. */
export async function openStore(access: StoreAccess, options: OpenStoreOptions): Promise<ObjectStore> {
  switch (access.service) {
    case 's3':
      return openS3Store(access, {
        connections: options.connections,
        refresh: async () => {
          const newer = await options.refresh();
          if (newer.service !== 's3') throw new TowError('bad-message', 'access to another service than before');
          return newer;
        },
      });
    case 'gcs':
      return await openGcsStore(access, {
        refresh: async () => {
          const newer = await options.refresh();
          if (newer.service !== 'gcs') throw new TowError('bad-message', 'access to another service than before');
          return newer;
        },
      });
    case 'local':
      throw new TowError('internal', 'a bucket under the controller is no cloud bucket');
  }
}
