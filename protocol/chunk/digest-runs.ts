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
import { VarintReader, VarintWriter } from './varint.ts';

export interface DigestRuns {
  readonly runs: Buffer;
  /** Digests that are not in the known list, one after the other. */
  readonly fresh: Buffer;
}

/** Chunks between two looks at the clock. */
const turnChunks = 4096;

/** `digests` and `known` are digests one after the other. A few milliseconds at a time. */
export async function encodeDigestRuns(digests: Buffer, known: Buffer): Promise<DigestRuns> {
  const turns = new Turns();
  const places = new Map<string, number>();
  const knownCount = known.length / digestBytes;
  for (let at = knownCount - 1; at >= 0; at -= 1) {
    places.set(digestAt(known, at), at);
    if (at % turnChunks === 0 && turns.over) await turns.next();
  }
  const writer = new VarintWriter();
  const fresh: Buffer[] = [];
  const count = digests.length / digestBytes;
  let expected = 0;
  for (let at = 0; at < count; ) {
    if (turns.over) await turns.next();
    const from = at;
    let place: number | undefined;
    const stop = Math.min(count, at + turnChunks);
    while (at < stop) {
      place = places.get(digestAt(digests, at));
      if (place !== undefined) break;
      at += 1;
    }
    fresh.push(digests.subarray(from * digestBytes, at * digestBytes));
    writer.number(at - from);
    // A chunk that comes often is best taken where the run goes on.
    const start = place !== undefined && same(digests, at, known, expected) ? expected : (place ?? 0);
    let length = 0;
    if (place !== undefined) for (; at < count && same(digests, at, known, start + length); at += 1) length += 1;
    writer.number(length);
    if (length > 0) writer.signed(start - expected);
    if (length > 0) expected = start + length;
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

function digestAt(digests: Buffer, index: number): string {
  return digests.toString('latin1', index * digestBytes, (index + 1) * digestBytes);
}

function same(a: Buffer, at: number, b: Buffer, bAt: number): boolean {
  const [from, bFrom] = [at * digestBytes, bAt * digestBytes];
  return bFrom + digestBytes <= b.length && a.compare(b, bFrom, bFrom + digestBytes, from, from + digestBytes) === 0;
}
