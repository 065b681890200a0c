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

const blockLength = 1024;

/** A set of keys in ascending order. In blocks: to put one into an array of hundreds of thousands moves half of them. */
export class SortedKeys {
  /** None is empty. */
  readonly #blocks: ByteKey[][] = [];

  /** `sorted` is ascending. */
  constructor(sorted: readonly ByteKey[]) {
    for (let at = 0; at < sorted.length; at += blockLength) this.#blocks.push(sorted.slice(at, at + blockLength));
  }

  add(key: ByteKey): void {
    const number = Math.max(0, this.#blockBefore(key));
    const block = this.#blocks[number] ?? [];
    const at = lowerBound(block, key);
    if (block[at] === key) return;
    block.splice(at, 0, key);
    if (this.#blocks.length === 0) this.#blocks.push(block);
    if (block.length > 2 * blockLength) this.#blocks.splice(number + 1, 0, block.splice(blockLength));
  }

  delete(key: ByteKey): void {
    const number = this.#blockBefore(key);
    const block = this.#blocks[number] ?? [];
    const at = lowerBound(block, key);
    if (block[at] !== key) return;
    block.splice(at, 1);
    if (block.length === 0) this.#blocks.splice(number, 1);
  }

  /** The first that is not below `key`. */
  from(key: ByteKey): ByteKey | undefined {
    const number = Math.max(0, this.#blockBefore(key));
    const block = this.#blocks[number] ?? [];
    return block[lowerBound(block, key)] ?? this.#blocks[number + 1]?.[0];
  }

  /** The last block that does not begin above the key; -1 when all do. */
  #blockBefore(key: ByteKey): number {
    let [low, high] = [0, this.#blocks.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#blocks[middle]?.[0] ?? '') <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
