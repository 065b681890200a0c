import { TowError } from '../../../protocol/base/errors.ts';
import { listAll } from '../../../protocol/store/list-all.ts';
import type { ObjectStore } from '../../../protocol/store/object-store.ts';

/** Deletes every object of a bucket, then the bucket. Resolves with how many objects there were. Rejects as `ObjectStore`. */
export async function deleteWithObjects(
  store: ObjectStore,
  onProgress: (objects: number) => void,
  signal: AbortSignal,
): Promise<number> {
  let objects = 0;
  try {
    for await (const page of listAll(store, '', signal)) {
      const failures = await store.deleteMany(
        page.map(({ key }) => key),
        signal,
      );
      const [first] = failures;
      if (first !== undefined)
        throw new TowError(
          'store-failed',
          `${failures.length} objects cannot be deleted, the first is ${first.key}: ${first.message}`,
        );
      objects += page.length;
      onProgress(objects);
    }
  } catch (error) {
    // Somebody else was quicker.
    if (error instanceof TowError && error.code === 'bucket-missing') return objects;
    throw error;
  }
  await store.deleteBucket(signal);
  return objects;
}
