import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type Print, printIdentity, printOf } from '../../../protocol/pull/replica/print.ts';
import type { BucketIndex } from './bucket-index.ts';
import type { ByteKey } from './bucket-key.ts';
import type { IndexEntry, Place } from './index-record.ts';

/**
 * What the index says of a file with this print: its entry, or the one that is just put in its place. Undefined when it
 * does not know such a file, or was behind the look at it.
 */
export function knownState(index: BucketIndex, key: ByteKey, place: Place, print: Print): IndexEntry | undefined {
  const known = index.get(key);
  if (known?.place === place && known.print === print) return known;
  const next = index.placing(key);
  if (next?.place === place && printIdentity(next.print) === printIdentity(print)) return { ...next, print };
  return undefined;
}

/**
 * Of a file that the index does not know as it is: the user wrote it. It is a version of its own, named after its print,
 * without a type. Whoever only touched its mode or its names keeps the metadata.
 */
export function userState(index: BucketIndex, key: ByteKey, place: Place, stats: BigIntStats): IndexEntry {
  const print = printOf(stats);
  const known = index.get(key);
  const touched = known?.place === place && printIdentity(known.print) === printIdentity(print);
  return {
    key,
    place,
    version: `u${createHash('sha256').update(print, 'latin1').digest('hex').slice(0, 24)}`,
    size: Number(stats.size),
    modifiedMs: Math.max(0, Number(stats.mtimeNs / 1_000_000n)),
    contentType: touched ? known.contentType : undefined,
    metadata: touched ? known.metadata : {},
    md5: undefined,
    temp: '',
    print,
  };
}
