const billion = 1_000_000_000n;

/** As `splitNs`, of the two words of 64 bits that are not negative, without a BigInt. */
export function splitNsWords(high: number, low: number): { readonly sec: number; readonly nsec: number } {
  // By hand, 16 bits at a time, so that no step needs more than the 53 bits of a double.
  const first = (high % 1e9) * 65536 + (low >>> 16);
  const second = (first % 1e9) * 65536 + (low & 0xffff);
  const sec = Math.floor(high / 1e9) * 2 ** 32 + Math.floor(first / 1e9) * 65536 + Math.floor(second / 1e9);
  return { sec, nsec: second % 1e9 };
}

const two32 = 2 ** 32;

/** The other way round: two words from `at` on, of seconds from 1970 until 2106. */
export function joinNsWords(words: Uint32Array, at: number, sec: number, nsec: number): void {
  const low = (Math.imul(sec, 1e9) + nsec) >>> 0;
  words[at] = low;
  // Off by some hundreds in floating point, of a multiple of 2^32.
  words[at + 1] = Math.round((sec * 1e9 + nsec - low) / two32);
}

/** Nanoseconds since the epoch as whole seconds, rounded down, and the rest. */
export function splitNs(ns: bigint): { readonly sec: number; readonly nsec: number } {
  const rest = ns % billion;
  const nsec = rest < 0n ? rest + billion : rest;
  return { sec: Number((ns - nsec) / billion), nsec: Number(nsec) };
}

/** Times of file systems that know more than 64 bits of ns have (1677 to 2262) are the last, or first, of those. */
export function clampNs(ns: bigint): bigint {
  return BigInt.asIntN(64, ns) === ns ? ns : ns < 0n ? -(2n ** 63n) : 2n ** 63n - 1n;
}
