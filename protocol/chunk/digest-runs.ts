/**
 * Digests of a list of chunks, given a list that both ends know: runs of what is new and of what is there already, so that
 * a large file with a small edit, or one that was renamed, costs a few bytes instead of a digest a chunk.
 *
 *   (new count · known count · signed gap from the end of the known run before, if the count is not 0) …
 *
 * Numbers are LEB128, the gap is zigzag; the digests that are new follow, in order, elsewhere.
 */
import { TowError } from '../base/errors.ts';
import { Turns } from '../base/turns.ts';
import { digestBytes } from './digest.ts';
import { commonRecords, placesInTurns } from './record-places.ts';
import { VarintReader, VarintWriter } from './varint.ts';

export interface DigestRuns {
  readonly runs: Buffer;
  /** Digests that are not in the known list, one after the other. */
  readonly fresh: Buffer;
}

/** `digests` and `known` are digests one after the other. A few milliseconds at a time. */
export async function encodeDigestRuns(digests: Buffer, known: Buffer): Promise<DigestRuns> {
  const places = await placesInTurns(known, digests, digestBytes, new Turns());
  const writer = new VarintWriter();
  const fresh: Buffer[] = [];
  const count = places.length;
  let expected = 0;
  for (let at = 0; at < count; ) {
    const from = at;
    while (at < count && (places[at] ?? 0) < 0) at += 1;
    fresh.push(digests.subarray(from * digestBytes, at * digestBytes));
    writer.number(at - from);
    // A chunk that comes often is best taken where the run goes on.
    const goesOn = commonRecords(known, expected, digests, at, digestBytes);
    const place = goesOn > 0 || at === count ? expected : (places[at] ?? 0);
    const length = goesOn > 0 ? goesOn : commonRecords(known, place, digests, at, digestBytes);
    writer.number(length);
    if (length === 0) continue;
    writer.signed(place - expected);
    at += length;
    expected = place + length;
  }
  return { runs: Buffer.from(writer.bytes()), fresh: Buffer.concat(fresh) };
}

/** What was encoded; exactly `count` digests. Throws `bad-message` for anything else. */
export function decodeDigestRuns({ runs, fresh }: DigestRuns, known: Buffer, count: number): Buffer {
  const reader = new VarintReader(runs);
  const digests = Buffer.allocUnsafe(count * digestBytes);
  const knownCount = known.length / digestBytes;
  let to = 0;
  let from = 0;
  let expected = 0;
  const take = (source: Buffer, first: number, length: number): void => {
    const end = (first + length) * digestBytes;
    if (first < 0 || end > source.length || to + length * digestBytes > digests.length)
      throw new TowError('bad-message', `digests ${first} to ${first + length} of ${source.length / digestBytes}`);
    to += source.copy(digests, to, first * digestBytes, end);
  };
  while (reader.left > 0) {
    const unknown = reader.number();
    take(fresh, from, unknown);
    from += unknown;
    const length = reader.number();
    if (length === 0) continue;
    const start = expected + reader.signed();
    if (start + length > knownCount) throw new TowError('bad-message', `digest ${start} of ${knownCount}`);
    take(known, start, length);
    expected = start + length;
  }
  if (to !== digests.length || from * digestBytes !== fresh.length)
    throw new TowError('bad-message', `${to / digestBytes} digests came for ${count} chunks`);
  return digests;
}
