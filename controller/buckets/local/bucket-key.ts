import { isSafeName } from '../../../protocol/base/root-path.ts';
import { isObjectKey } from '../../../protocol/store/link/object-key.ts';

/** A key as its UTF-8 bytes, latin1-held: so `<` is the order of listings, and paths compare as they lie in directories. */
export type ByteKey = string;

/** Undefined for what is no key here. */
export function byteKeyOf(key: string): ByteKey | undefined {
  return isObjectKey(key) ? bytesOf(key) : undefined;
}

/** The UTF-8 bytes of any text, latin1-held: of a prefix, say. */
export function bytesOf(text: string): ByteKey {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function keyOf(key: ByteKey): string {
  return Buffer.from(key, 'latin1').toString('utf8');
}

/** Directories in directories that one key makes at most. */
const maxDepth = 100;

/** Whether a directory can hold the key as a path: no empty name, no `.` or `..`, no NUL, no name of more than 255 bytes. */
export function isPlainKey(key: ByteKey): boolean {
  const names = key.split('/');
  return names.length <= maxDepth && names.every(isSafeName);
}
