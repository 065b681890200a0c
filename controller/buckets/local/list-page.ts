import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { Turns } from '../../../protocol/base/turns.ts';
import type { ListOptions } from '../../../protocol/store/object-store.ts';
import { limits } from '../../../protocol/wire/limits.ts';
import type { Bucket } from './bucket.ts';
import { type ByteKey, bytesOf } from './bucket-key.ts';
import type { IndexEntry } from './index-record.ts';
import type { KeyWalk, Met } from './key-walk.ts';

const maxPageLength = 1000;
const looksAtOnce = 32;

export interface Page {
  readonly objects: readonly IndexEntry[];
  readonly prefixes: readonly ByteKey[];
  readonly next: string | undefined;
}

/** One page. Its cursor is the first key that the next page may have, as it is. */
export async function listPage(
  bucket: Bucket,
  walk: KeyWalk,
  options: ListOptions,
  signal: AbortSignal,
): Promise<Page> {
  const prefix = bytesOf(options.prefix);
  const length = Math.max(1, Math.min(options.limit ?? maxPageLength, maxPageLength));
  const turns = new Turns();
  const met: Met[] = [];
  const prefixes: ByteKey[] = [];
  let from = startOf(options.cursor, prefix);
  let bytes = 0;
  let next: string | undefined;
  for (;;) {
    throwIfAborted(signal);
    if (turns.over) await turns.next();
    const found = await walk.seek(from, prefix);
    if (found === undefined) break;
    bytes += found.key.length;
    if (met.length + prefixes.length >= length || bytes > limits.pageKeyBytes) {
      next = Buffer.from(from, 'latin1').toString('base64url');
      break;
    }
    const slash = options.delimiter === undefined ? -1 : found.key.indexOf('/', prefix.length);
    if (slash < 0) {
      met.push(found);
      from = `${found.key}\0`;
    } else {
      prefixes.push(found.key.slice(0, slash + 1));
      // '0' follows '/'.
      from = `${found.key.slice(0, slash)}0`;
    }
  }
  return { objects: await lookAtAll(bucket, met, signal), prefixes, next };
}

function startOf(cursor: string | undefined, prefix: ByteKey): ByteKey {
  if (cursor === undefined) return prefix;
  const from = Buffer.from(cursor, 'base64url').toString('latin1');
  if (from.startsWith(prefix)) return from;
  throw new TowError('store-failed', 'the cursor is not of this listing');
}

async function lookAtAll(bucket: Bucket, met: readonly Met[], signal: AbortSignal): Promise<IndexEntry[]> {
  const objects: (IndexEntry | undefined)[] = [];
  for (let at = 0; at < met.length; at += looksAtOnce) {
    throwIfAborted(signal);
    const some = met.slice(at, at + looksAtOnce);
    objects.push(...(await Promise.all(some.map(({ key, place }) => bucket.lookAt(key, place)))));
  }
  // One that went meanwhile is left out.
  return objects.filter((object) => object !== undefined);
}
