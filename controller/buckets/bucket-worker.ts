import { cancelled } from '../../protocol/base/abort.ts';
import { systemClock } from '../../protocol/base/clock.ts';
import { serveWorker } from '../../protocol/base/worker-server.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { openStore } from '../../protocol/store/open-store.ts';
import { paced } from '../../protocol/store/paced.ts';
import { PortStore } from '../../protocol/store/port/port-store.ts';
import { retrying } from '../../protocol/store/retry.ts';
import type { BucketHandle, BucketInput, BucketTasks } from './bucket-tasks.ts';
import { resolveAccess } from './resolve-access.ts';
import { deleteWithObjects } from './upload/delete-bucket.ts';
import { upload, uploadWidth } from './upload/upload.ts';

/** Times a request is made before it is given up: about a minute of a service that is away. */
const tries = 10;
const pollMs = 50;

/** Serves the role 'bucket' in the calling worker thread. */
export function serveBucketWorker(): void {
  serveWorker<BucketTasks>({
    look: (input) =>
      withStore(input, async (store, signal) => {
        const exists = await store.bucketExists(signal);
        const empty = exists && (await store.list({ prefix: '', limit: 1 }, signal)).objects.length === 0;
        return { output: { exists, empty } };
      }),
    make: (input) =>
      withStore(input, async (store, signal) => {
        await store.createBucket(signal);
        return { output: null };
      }),
    upload: (input, emit) =>
      withStore(input, async (store, signal) => ({
        output: await upload(store, { ...input.options, cancel: input.cancel }, emit, signal),
      })),
    remove: (input, emit) =>
      withStore(input, async (store, signal) => ({ output: await deleteWithObjects(store, emit, signal) })),
  });
}

async function withStore<T>(
  { bucket, cancel }: BucketInput,
  work: (store: ObjectStore, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const watch = setInterval(() => {
    if (Atomics.load(cancel, 0) !== 0) abort.abort(cancelled());
  }, pollMs);
  try {
    return await work(await open(bucket, abort.signal), abort.signal);
  } finally {
    clearInterval(watch);
    if (bucket.type === 'port') bucket.port.close();
  }
}

async function open(bucket: BucketHandle, signal: AbortSignal): Promise<ObjectStore> {
  if (bucket.type === 'port') return await PortStore.open(bucket.port);
  const { access, place, request } = bucket;
  const refresh = async () => await resolveAccess(place, request, signal);
  const store = await openStore(access, { connections: uploadWidth, refresh });
  return retrying(paced(store, uploadWidth), {
    clock: systemClock,
    tries,
    random: Math.random,
    onRetry: () => undefined,
  });
}
