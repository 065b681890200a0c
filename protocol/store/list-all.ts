import { TowError } from '../base/errors.ts';
import type { ListPage, ObjectStat, ObjectStore } from './object-store.ts';

/**
 * Every object below a prefix, page by page; the next page is asked for while this one is used. Rejects with
 * `store-failed` when the service goes in circles: a key is not behind the page before, or a place in the listing comes
 * again.
 */
export async function* listAll(
  store: ObjectStore,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ObjectStat[], void, undefined> {
  let page: Promise<ListPage> | undefined = store.list({ prefix }, signal);
  let last: string | undefined;
  // Brent's: a place that is kept for twice as long each time meets itself in any circle.
  let kept: string | undefined;
  let steps = 0;
  while (page !== undefined) {
    const { objects, next }: ListPage = await page;
    const first = objects[0]?.key;
    const circles =
      (next !== undefined && next === kept) || (first !== undefined && last !== undefined && !isAfter(first, last));
    if (circles)
      throw new TowError('store-failed', `the listing of ${prefix === '' ? 'the bucket' : prefix} goes in circles`, {
        hint: 'try again: the service gave an old answer',
      });
    last = objects.at(-1)?.key ?? last;
    steps += 1;
    if ((steps & (steps - 1)) === 0) kept = next;
    page = next === undefined ? undefined : store.list({ prefix, cursor: next }, signal);
    // Told when it is awaited, if it ever is.
    page?.catch(() => undefined);
    yield objects;
  }
}

/** By UTF-8, as S3 says; some that speak like it mean UTF-16. */
function isAfter(key: string, before: string): boolean {
  return key > before || Buffer.compare(Buffer.from(key), Buffer.from(before)) > 0;
}
