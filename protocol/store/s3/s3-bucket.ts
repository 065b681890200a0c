import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { TowError } from '../../base/errors.ts';
import type { S3Provider } from './providers.ts';
import type * as S3Sdk from './sdk.ts';

/** What all that talks to one bucket of S3 has. */
export interface S3Bucket {
  readonly sdk: typeof S3Sdk;
  readonly client: S3Client;
  readonly provider: S3Provider;
  readonly bucket: string;
}

/** What guards written bytes where the service has no newer checksums. */
export function guard(provider: S3Provider, bytes: Uint8Array): { readonly ContentMD5?: string } {
  return provider.checksums ? {} : { ContentMD5: createHash('md5').update(bytes).digest('base64') };
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
