import { TowError } from '../../base/errors.ts';
import { bytesOf, displayPath } from '../../base/root-path.ts';

/** Where the parts of uploads lie until they are put together. What is below is in no listing, and no object of anybody's. */
export const partsPrefix = '.towline-parts/';

/**
 * Whether there can be such an object. Google has no `.` and `..`, and an URL with them, or with nothing, would name the
 * bucket itself; half a surrogate pair has no UTF-8.
 */
export function isNameable(key: string): boolean {
  return key !== '' && key !== '.' && key !== '..' && !key.startsWith(partsPrefix) && !/\p{Surrogate}/u.test(key);
}

/** An object for people: no key can drive a terminal. */
export function objectUri(bucket: string, key: string): string {
  return `gs://${bucket}/${displayPath(bytesOf(key))}`;
}

/** Rejects with `unsafe-key` what cannot be written. */
export function checkNameable(bucket: string, key: string): void {
  if (!isNameable(key))
    throw new TowError('unsafe-key', `gs://${bucket}: an object cannot be named ${JSON.stringify(key)}`);
}

/** Rejects with `bucket-missing` what is no name of a bucket, before it is part of an URL. */
export function checkBucketName(bucket: string): void {
  if (/^[a-z0-9][-a-z0-9._]{1,220}[a-z0-9]$/.test(bucket)) return;
  throw new TowError('bucket-missing', `no bucket can be named ${JSON.stringify(bucket)}`);
}
