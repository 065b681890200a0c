/** What is known of a directory, as it is stored beside its entries, so that those need not be read. */
import type { ByteReader } from '../base/byte-reader.ts';
import type { ByteWriter } from '../base/byte-writer.ts';
import { asDigest, digestBytes } from './digest.ts';
import type { DirectorySummary } from './manifest.ts';

/** Length of a summary as it is stored. */
export const summaryBytes = 4 + digestBytes + 4 * 8 + 1;

export function writeSummary(writer: ByteWriter, summary: DirectorySummary): void {
  writer.text(summary.digest);
  for (const count of [summary.entries, summary.files, summary.bytes, summary.chunks]) writer.i64(count);
  writer.u8(summary.plain ? 1 : 0);
}

export function readSummary(reader: ByteReader): DirectorySummary {
  const digest = asDigest(reader.text());
  const [entries, files, bytes, chunks] = [reader.i64(), reader.i64(), reader.i64(), reader.i64()];
  return { digest, entries, files, bytes, chunks, plain: reader.u8() === 1 };
}
