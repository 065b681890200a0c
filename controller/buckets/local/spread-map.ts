const shards = 256;

/**
 * A map by text that grows in small steps: one `Map` of hundreds of thousands copies all it has at once when it is full,
 * for 50 ms and more, and nothing else happens meanwhile. Its order means nothing.
 */
export class SpreadMap<V> {
  readonly #maps: readonly Map<string, V>[] = Array.from({ length: shards }, () => new Map<string, V>());

  get size(): number {
    return this.#maps.reduce((sum, { size }) => sum + size, 0);
  }

  get(key: string): V | undefined {
    return this.#of(key).get(key);
  }

  has(key: string): boolean {
    return this.#of(key).has(key);
  }

  set(key: string, value: V): void {
    this.#of(key).set(key, value);
  }

  delete(key: string): void {
    this.#of(key).delete(key);
  }

  /** May be left and gone on with while the map changes: what is there all the time comes, what is added may. */
  *entries(): Generator<[string, V], void, undefined> {
    for (const map of this.#maps) yield* map;
  }

  #of(key: string): Map<string, V> {
    // FNV-1a: keys that differ in one digit alone are to be spread too.
    let hash = 0x811c9dc5;
    for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
    const map = this.#maps[(hash ^ (hash >>> 16)) & (shards - 1)];
    if (map === undefined) throw new Error('a map of a spread map is missing');
    return map;
  }
}
