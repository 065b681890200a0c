import { TowError } from '../../../base/errors.ts';
import type { IndexReader } from './index-reader.ts';

/** Reads a compressed bitmap (EWAH) as git stores it: the positions of its ones. More than `limit` bits throw `bad-message`. */
export function readEwahBits(reader: IndexReader, limit: number): Set<number> {
  const bits = reader.u32();
  if (bits > limit + 63) throw new TowError('bad-message', `bitmap of ${bits} bits for ${limit} entries`);
  const words = reader.u32();
  const end = reader.at + 8 * words;
  const ones = new Set<number>();
  let at = 0;
  while (reader.at < end) {
    const marker = reader.u64();
    const run = Number((marker >> 1n) & 0xffffffffn) * 64;
    const literals = Number(marker >> 33n);
    const runEnd = Math.min(at + run, limit);
    if ((marker & 1n) === 1n) for (let bit = at; bit < runEnd; bit += 1) ones.add(bit);
    at += run;
    for (let index = 0; index < literals; index += 1, at += 64) {
      const word = reader.u64();
      for (let bit = 0; bit < 64; bit += 1) if (((word >> BigInt(bit)) & 1n) === 1n) ones.add(at + bit);
    }
  }
  // Where the last marker stands, for those who append.
  reader.skip(4);
  return ones;
}
