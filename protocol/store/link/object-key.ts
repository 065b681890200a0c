import { limits } from '../../wire/limits.ts';

/** Whether a bucket under the controller can have such a key: not empty, at most 1024 bytes, no half of a surrogate pair. */
export function isObjectKey(key: string): boolean {
  return (
    key !== '' &&
    key.length <= limits.keyBytes &&
    Buffer.byteLength(key) <= limits.keyBytes &&
    !/\p{Surrogate}/u.test(key)
  );
}
