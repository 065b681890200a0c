import { TowError } from '../../base/errors.ts';
import { digestOf } from '../../chunk/digest.ts';
import { decodePackHeader, unpackBody } from '../../chunk/pack.ts';
import { limits } from '../../wire/limits.ts';
import type { Wants } from './wants.ts';

/**
 * Writes the chunks of a pack where they are wanted. A chunk whose digest is wrong, or that nobody asked for, ends the
 * pull: the peer is broken or hostile, and not a byte of it is written. Blocking.
 */
export function unpack(pack: Buffer, wants: Wants): { readonly bytes: number; readonly finishedFiles: number } {
  const header = decodePackHeader(pack, limits.packBytes);
  const raw = unpackBody(header);
  let offset = 0;
  let finishedFiles = 0;
  for (const { first, count } of header.runs) {
    for (let ordinal = first; ordinal < first + count; ordinal += 1) {
      const want = wants.at(ordinal);
      if (want === undefined)
        throw new TowError('chunk-mismatch', `the source sent chunk ${ordinal}, which was not asked for`);
      const bytes = raw.subarray(offset, offset + want.length);
      offset += want.length;
      if (bytes.length !== want.length || digestOf(bytes) !== want.digest) {
        throw new TowError('chunk-mismatch', `chunk ${ordinal} is not what its digest says`, {
          retryable: true,
          hint: 'run it again; if it stays, run `tow check`',
        });
      }
      finishedFiles += wants.satisfy(want.digest, bytes);
    }
  }
  if (offset !== raw.length) throw new TowError('chunk-mismatch', `a pack has ${raw.length - offset} bytes too many`);
  return { bytes: raw.length, finishedFiles };
}
