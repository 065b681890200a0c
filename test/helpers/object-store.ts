import type { ListOptions, ObjectStore } from '../../protocol/store/object-store.ts';

const never = new AbortController().signal;

/** All bytes of an object, or of a range. */
export async function bytesOfObject(
  store: ObjectStore,
  key: string,
  range?: { readonly start: number; readonly end: number },
): Promise<Buffer> {
  const { bytes } = await store.get(key, range === undefined ? {} : { range }, never);
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** All keys, over all pages. */
export async function keysOf(store: ObjectStore, options: ListOptions = { prefix: '' }): Promise<string[]> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ ...options, ...(cursor === undefined ? {} : { cursor }) }, never);
    keys.push(...page.objects.map(({ key }) => key));
    cursor = page.next;
  } while (cursor !== undefined);
  return keys;
}
