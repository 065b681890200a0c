import { isSafeName } from '../../../protocol/base/root-path.ts';
import { limits } from '../../../protocol/wire/limits.ts';

/** A key as its UTF-8 bytes, latin1-held: so `<` is the order of listings, and paths compare as they lie in directories. */
export type ByteKey = string;

/** Undefined for what is no key here: empty, longer than S3's 1024 bytes, or with half a surrogate pair. */
export function byteKeyOf(key: string): ByteKey | undefined {
  if (key === '' || key.length > limits.keyBytes || /\p{Surrogate}/u.test(key)) return undefined;
  const bytes = bytesOf(key);
  return bytes.length > limits.keyBytes ? undefined : bytes;
}

/** The UTF-8 bytes of any text, latin1-held: of a prefix, say. */
export function bytesOf(text: string): ByteKey {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function keyOf(key: ByteKey): string {
  return Buffer.from(key, 'latin1').toString('utf8');
}

/** Whether a directory can hold the key as a path: no empty name, no `.` or `..`, no NUL, no name of more than 255 bytes. */
export function isPlainKey(key: ByteKey): boolean {
  return key.split('/').every(isSafeName);
}
