import { TowError } from '../../../protocol/base/errors.ts';
import type { StoreAccess } from '../../../protocol/wire/store-access.ts';
import { showBucketUri } from '../../task/bucket-uri.ts';
import type { StoreKind } from '../../task/task.ts';

/** Where a storage's bucket is. */
export interface StoragePlace {
  readonly store: StoreKind;
  readonly bucket: string;
  /** Of IBM's. */
  readonly region: string | undefined;
  /** Undefined: the service's own. */
  readonly endpoint: string | undefined;
}

/** `s3://my-bucket`, with the endpoint of another service than the scheme's own. */
export function showPlace({ store, bucket, region, endpoint }: StoragePlace): string {
  const uri = showBucketUri({ store, region: store === 'ibm' ? region : undefined, bucket, prefix: '' });
  return store === 's3' && endpoint !== undefined ? `${uri} at ${endpoint}` : uri;
}

/** Throws `storage-mismatch` when a storage was made elsewhere than it is asked for now. */
export function checkPlace(
  name: string,
  made: Omit<StoragePlace, 'bucket'>,
  asked: Omit<StoragePlace, 'bucket'>,
): void {
  if (made.store !== asked.store) {
    throw new TowError(
      'storage-mismatch',
      `storage ${name} was made in ${made.store}, and ${asked.store} is asked for`,
      {
        hint: `write store: ${made.store}, or leave store: out; another name makes another one`,
      },
    );
  }
  const [before, now] = [made, asked].map(({ endpoint }) => endpoint?.replace(/\/+$/, '') ?? `${made.store} itself`);
  if (before === now) return;
  throw new TowError('storage-mismatch', `storage ${name} was made at ${before}, and now it would be at ${now}`, {
    hint: 'set the endpoint back (AWS_ENDPOINT_URL, AWS_PROFILE); another name makes another one',
  });
}

/** The endpoint that access leads to. */
export function endpointOf(access: StoreAccess): string | undefined {
  return access.service === 'local' ? undefined : access.endpoint;
}

/** Throws `credentials-missing` when nothing but public buckets can be opened. */
export function checkCredentials(store: StoreKind, name: string, access: StoreAccess): void {
  if (access.service === 'local' || access.credentials.type !== 'none') return;
  throw new TowError(
    'credentials-missing',
    `storage ${name} is to be in ${store}, and no credentials for it were found`,
    {
      hint: `${store === 'gcs' ? 'log in (gcloud auth application-default login)' : 'set AWS_PROFILE or AWS_ACCESS_KEY_ID, or write ~/.aws/credentials'}; or take a store that is set up`,
    },
  );
}
