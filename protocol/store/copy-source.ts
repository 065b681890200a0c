import type { StoreAccess } from '../wire/store-access.ts';

/** Names a place in a bucket, without what opens it: versions of objects are compared within one such place alone. */
export function copySource(access: StoreAccess, prefix: string): string {
  const at = access.service === 's3' ? `${access.provider} ${access.endpoint ?? ''}` : '';
  return `${access.service} ${at} ${access.bucket} ${prefix}`;
}
