import type { MessagePort } from 'node:worker_threads';
import { TowError } from '../../base/errors.ts';
import { toWorkerError } from '../../base/worker-message.ts';
import type { ObjectStore, Upload } from '../object-store.ts';
import type { PortCall, PortReply, PortRequest, PortResult } from './store-port.ts';

/** Does what a `PortStore` at the port's other end asks of `store`, until that closes. `signal` ends what is under way. */
export function serveStorePort(port: MessagePort, store: ObjectStore, signal: AbortSignal): void {
  const uploads = new Map<number, Upload>();
  const bodies = new Map<number, AsyncIterator<Uint8Array>>();
  let next = 1;
  port.on('message', ({ id, call }: PortRequest) => {
    const reply = (result: PortResult): void => port.postMessage({ id, result } satisfies PortReply);
    answer(call).then(reply, (error: unknown) => reply({ type: 'failed', error: toWorkerError(error) }));
  });
  // What the thread has begun and not ended, if it died.
  port.on('close', () => {
    for (const upload of uploads.values()) void upload.abort();
    for (const body of bodies.values()) void leave(body);
  });

  async function answer(call: PortCall): Promise<PortResult> {
    switch (call.method) {
      case 'traits':
        return { type: 'traits', traits: store.traits };
      case 'bucketExists':
        return { type: 'exists', exists: await store.bucketExists(signal) };
      case 'createBucket':
        await store.createBucket(signal);
        return { type: 'done' };
      case 'deleteBucket':
        await store.deleteBucket(signal);
        return { type: 'done' };
      case 'list':
        return { type: 'page', page: await store.list(call.options, signal) };
      case 'head':
        return { type: 'head', head: await store.head(call.key, signal) };
      case 'get': {
        const { head, bytes } = await store.get(call.key, call.options, signal);
        const body = next++;
        bodies.set(body, bytes[Symbol.asyncIterator]());
        return { type: 'body', head, body };
      }
      case 'read':
        return { type: 'bytes', bytes: await read(call.body) };
      case 'leave': {
        const body = bodies.get(call.body);
        bodies.delete(call.body);
        if (body !== undefined) await leave(body);
        return { type: 'done' };
      }
      case 'put':
        return { type: 'written', written: await store.put(call.key, call.bytes, call.options, signal) };
      case 'startUpload': {
        const upload = next++;
        uploads.set(upload, await store.startUpload(call.key, call.options, signal));
        return { type: 'upload', upload };
      }
      case 'part':
        await find(call.upload).part(call.number, call.bytes, signal);
        return { type: 'done' };
      case 'complete': {
        const written = await find(call.upload).complete(signal);
        uploads.delete(call.upload);
        return { type: 'written', written };
      }
      case 'abort':
        await find(call.upload).abort();
        uploads.delete(call.upload);
        return { type: 'done' };
      case 'copy':
        return { type: 'written', written: await store.copy(call.from, call.to, call.options, signal) };
      case 'delete':
        await store.delete(call.key, signal);
        return { type: 'done' };
      case 'deleteMany':
        return { type: 'failures', failures: await store.deleteMany(call.keys, signal) };
    }
  }

  async function read(id: number): Promise<Uint8Array | undefined> {
    const body = bodies.get(id);
    if (body === undefined) throw new TowError('internal', `there is no body ${id}`);
    let result: IteratorResult<Uint8Array, unknown>;
    try {
      result = await body.next();
    } catch (error) {
      bodies.delete(id);
      throw error;
    }
    if (result.done !== true) return result.value;
    bodies.delete(id);
    return undefined;
  }

  function find(id: number): Upload {
    const upload = uploads.get(id);
    if (upload === undefined) throw new TowError('internal', `there is no upload ${id}`);
    return upload;
  }
}

async function leave(body: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await body.return?.();
  } catch {
    // It is of no interest any more.
  }
}
