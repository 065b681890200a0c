import type { ObjectBody, ObjectStore, Upload } from './object-store.ts';

/** What a call asks of the service. */
export type StoreCall = 'bucket' | 'list' | 'head' | 'get' | 'put' | 'part' | 'upload' | 'copy' | 'delete';

/** Makes each call by `call`, which may wait, count, or fail instead; `body` sees what is read. */
export interface Around {
  call<T>(what: StoreCall, run: () => Promise<T>, signal: AbortSignal): Promise<T>;
  body?(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  /** Told of the bytes of a put or a part before they are sent. */
  sent?(bytes: number): void;
}

/** The same bucket, with something around its calls. */
export function around(store: ObjectStore, wrap: Around): ObjectStore {
  const bodyOf = ({ head, bytes }: ObjectBody): ObjectBody => ({ head, bytes: wrap.body?.(bytes) ?? bytes });
  const uploadOf = (upload: Upload): Upload => ({
    part: (number, bytes, signal) => {
      wrap.sent?.(bytes.byteLength);
      return wrap.call('part', () => upload.part(number, bytes, signal), signal);
    },
    copyPart: (number, from, range, version, signal) =>
      wrap.call('part', () => upload.copyPart(number, from, range, version, signal), signal),
    complete: (signal) => wrap.call('upload', () => upload.complete(signal), signal),
    abort: () => upload.abort(),
  });
  return {
    traits: store.traits,
    bucketExists: (signal) => wrap.call('bucket', () => store.bucketExists(signal), signal),
    createBucket: (signal) => wrap.call('bucket', () => store.createBucket(signal), signal),
    deleteBucket: (signal) => wrap.call('bucket', () => store.deleteBucket(signal), signal),
    list: (options, signal) => wrap.call('list', () => store.list(options, signal), signal),
    head: (key, signal) => wrap.call('head', () => store.head(key, signal), signal),
    get: (key, options, signal) => wrap.call('get', async () => bodyOf(await store.get(key, options, signal)), signal),
    put: (key, bytes, options, signal) => {
      wrap.sent?.(bytes.byteLength);
      return wrap.call('put', () => store.put(key, bytes, options, signal), signal);
    },
    startUpload: (key, options, signal) =>
      wrap.call('upload', async () => uploadOf(await store.startUpload(key, options, signal)), signal),
    copy: (from, to, options, signal) => wrap.call('copy', () => store.copy(from, to, options, signal), signal),
    delete: (key, signal) => wrap.call('delete', () => store.delete(key, signal), signal),
    deleteMany: (keys, signal) => wrap.call('delete', () => store.deleteMany(keys, signal), signal),
  };
}
