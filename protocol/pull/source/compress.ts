/** Compressing what goes out, where that is worth it. Blocking. */
import { brotliCompressSync, constants } from 'node:zlib';

/** What is compressed first, to see whether the rest is worth it. */
const sampleBytes = 8 << 10;
const sampleCount = 8;
const worthwhile = 0.97;

/** Undefined when it would not get smaller. */
export function compress(raw: Buffer, quality: number): Buffer | undefined {
  const step = Math.floor(raw.length / sampleCount);
  if (step > 2 * sampleBytes) {
    const samples = Array.from({ length: sampleCount }, (_, at) => raw.subarray(at * step, at * step + sampleBytes));
    if (brotli(Buffer.concat(samples), 1).length > sampleCount * sampleBytes * worthwhile) return undefined;
  }
  const packed = brotli(raw, quality);
  return packed.length < raw.length * worthwhile ? packed : undefined;
}

function brotli(bytes: Buffer, quality: number): Buffer {
  return brotliCompressSync(bytes, {
    // By itself, Node makes pieces of 16 KiB and copies them together.
    chunkSize: Math.max(64, bytes.length >> 2),
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      [constants.BROTLI_PARAM_LGWIN]: bytes.length > 1 << 20 ? 22 : 20,
    },
  });
}
