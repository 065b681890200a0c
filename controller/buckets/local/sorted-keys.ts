import type { ByteKey } from './bucket-key.ts';

/** Where `key` is, or would be, in ascending keys. */
export function lowerBound(keys: readonly ByteKey[], key: ByteKey): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A set of keys in ascending order. */
export class SortedKeys {
  readonly #keys: ByteKey[];

  constructor(keys: readonly ByteKey[]) {
    this.#keys = [...keys].sort();
  }

  get size(): number {
    return this.#keys.length;
  }

  add(key: ByteKey): void {
    const at = lowerBound(this.#keys, key);
    if (this.#keys[at] !== key) this.#keys.splice(at, 0, key);
  }

  delete(key: ByteKey): void {
    const at = lowerBound(this.#keys, key);
    if (this.#keys[at] === key) this.#keys.splice(at, 1);
  }

  /** The first that is not below `key`. */
  from(key: ByteKey): ByteKey | undefined {
    return this.#keys[lowerBound(this.#keys, key)];
  }
}
