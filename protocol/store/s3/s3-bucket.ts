import { TowError } from '../../base/errors.ts';
import type { S3Provider } from './providers.ts';
import type { LoadedClient } from './s3-client.ts';
import type { S3Credentials } from './s3-credentials.ts';
import { s3Error } from './s3-error.ts';
import type { S3Wire } from './s3-wire.ts';

/** What all that talks to one bucket of S3 has. */
export interface S3Bucket {
  /** For what reads, and for what writes bytes. */
  readonly wire: S3Wire;
  readonly provider: S3Provider;
  readonly bucket: string;
  readonly credentials: S3Credentials;
  /** For all else. */
  client(): Promise<LoadedClient>;
}

/**
 * Makes a request through Amazon's client, and once more with other credentials when the service says that these have
 * ended. `doing` names the bucket and the key. Rejects as `ObjectStore`.
 */
export async function write<T>(s3: S3Bucket, doing: string, send: (loaded: LoadedClient) => Promise<T>): Promise<T> {
  const { credentials } = s3;
  const loaded = await s3.client();
  const keys = await credentials.current();
  try {
    return await send(loaded);
  } catch (error) {
    const failure = s3Error(error, doing);
    if (failure.code !== 'credentials-expired' || (await credentials.instead(keys)) === undefined) throw failure;
  }
  try {
    return await send(loaded);
  } catch (error) {
    throw s3Error(error, doing);
  }
}

export function versionOf(etag: string | undefined): string {
  if (etag === undefined) throw new TowError('store-failed', 'the service gave no ETag');
  return etag.replace(/^"|"$/g, '');
}

export function copySource(bucket: string, key: string): string {
  return `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

export interface S3Condition {
  readonly IfNoneMatch?: string;
  readonly IfMatch?: string;
}
