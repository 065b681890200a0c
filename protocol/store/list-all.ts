import { TowError } from '../base/errors.ts';
import type { ListPage, ObjectStat, ObjectStore } from './object-store.ts';

/**
 * Every object below a prefix, page by page; the next page is asked for while this one is used. Rejects with
 * `store-failed` when the service goes in circles.
 */
export async function* listAll(
  store: ObjectStore,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ObjectStat[], void, undefined> {
  let cursor: string | undefined;
  let page: Promise<ListPage> | undefined = store.list({ prefix }, signal);
  while (page !== undefined) {
    const { objects, next }: ListPage = await page;
    if (next !== undefined && next === cursor)
      throw new TowError('store-failed', `the listing of ${prefix === '' ? 'the bucket' : prefix} does not get on`);
    cursor = next;
    page = next === undefined ? undefined : store.list({ prefix, cursor: next }, signal);
    // Told when it is awaited, if it ever is.
    page?.catch(() => undefined);
    yield objects;
  }
}
