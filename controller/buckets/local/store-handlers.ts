/** Serves buckets to nodes: protocol/store/link/link-store.ts is the other end. */
import type { Handlers } from '../../../protocol/link/link.ts';
import type { ObjectHead, WriteOptions } from '../../../protocol/store/object-store.ts';
import type { ControllerMethods } from '../../../protocol/wire/methods.ts';
import type { StoreWritten } from '../../../protocol/wire/store.ts';
import type { LocalStore } from './local-store.ts';

export type StoreHandlers = Pick<Handlers<ControllerMethods>, Extract<keyof ControllerMethods, `store.${string}`>>;

const messageLength = 200;
const nothing = Buffer.alloc(0);

/** `storeFor` throws when the caller may not use the bucket so. */
export function storeHandlers(storeFor: (bucket: string, access: 'read' | 'write') => LocalStore): StoreHandlers {
  return {
    'store.list': async ({ bucket, prefix, delimited, cursor, limit }, { signal }) => {
      const options = { prefix, limit, ...(delimited ? { delimiter: '/' as const } : {}) };
      const page = await storeFor(bucket, 'read').list(
        { ...options, ...(cursor === undefined ? {} : { cursor }) },
        signal,
      );
      return { objects: [...page.objects], prefixes: [...page.prefixes], next: page.next };
    },
    'store.head': async ({ bucket, key }, { signal }) => {
      const head = await storeFor(bucket, 'read').head(key, signal);
      return head === undefined ? {} : { head: wireHead(head) };
    },
    'store.get': async ({ bucket, key, start, end, ifVersion }, { emit, send, signal }) => {
      const range = { start, end: end ?? Number.MAX_SAFE_INTEGER };
      const options = { range, ...(ifVersion === undefined ? {} : { ifVersion }) };
      const { head, bytes } = await storeFor(bucket, 'read').get(key, options, signal);
      emit(wireHead(head));
      for await (const chunk of bytes) await send(chunk);
      return {};
    },
    'store.put': async (params, { payload, signal }) =>
      await storeFor(params.bucket, 'write').put(params.key, payload ?? nothing, writeOptions(params), signal),
    'store.startUpload': async (params, { signal }) => {
      const store = storeFor(params.bucket, 'write');
      return { upload: (await store.startUpload(params.key, writeOptions(params), signal)).id };
    },
    'store.part': async ({ bucket, upload, number, size, offset }, { payload, signal }) => {
      await storeFor(bucket, 'write')
        .upload(upload)
        .piece(number, size, offset, payload ?? nothing, signal);
      return {};
    },
    'store.copyPart': async ({ bucket, upload, number, from, start, end, ifVersion }, { signal }) => {
      await storeFor(bucket, 'write').upload(upload).copyPart(number, from, { start, end }, ifVersion, signal);
      return {};
    },
    'store.complete': async ({ bucket, upload }, { signal }) =>
      await storeFor(bucket, 'write').upload(upload).complete(signal),
    'store.abort': async ({ bucket, upload }) => {
      await storeFor(bucket, 'write').upload(upload).abort();
      return {};
    },
    'store.copy': async ({ bucket, from, to, ifVersion, replace }, { signal }) => {
      const described = replace && describedBy(replace);
      return await storeFor(bucket, 'write').copy(
        from,
        to,
        {
          ...(ifVersion === undefined ? {} : { ifVersion }),
          ...(described === undefined ? {} : { replace: described }),
        },
        signal,
      );
    },
    'store.delete': async ({ bucket, keys }, { signal }) => {
      const failures = await storeFor(bucket, 'write').deleteMany(keys, signal);
      return { failures: failures.map(({ key, message }) => ({ key, message: message.slice(0, messageLength) })) };
    },
  };
}

function writeOptions({ contentType, metadata, condition }: StoreWritten): WriteOptions {
  return { ...describedBy({ contentType, metadata }), ...(condition === undefined ? {} : { condition }) };
}

function describedBy({ contentType, metadata }: Pick<StoreWritten, 'contentType' | 'metadata'>) {
  return { metadata: Object.fromEntries(metadata), ...(contentType === undefined ? {} : { contentType }) };
}

function wireHead({ metadata, ...head }: ObjectHead) {
  return { ...head, metadata: Object.entries(metadata) };
}
