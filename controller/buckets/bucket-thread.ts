import { MessageChannel, type TransferListItem } from 'node:worker_threads';
import { WorkerPool } from '../../protocol/base/worker-pool.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { serveStorePort } from '../../protocol/store/port/serve-store-port.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { BucketHandle, BucketTasks } from './bucket-tasks.ts';
import type { AccessRequest, BucketPlace } from './resolve-access.ts';
import type { UploadEvent, UploadOptions, UploadResult } from './upload/upload.ts';

/** What opens a bucket: access to a cloud's, or one of this machine that is open. */
export type OpenBucket =
  | {
      readonly type: 'cloud';
      readonly access: StoreAccess;
      readonly place: BucketPlace;
      readonly request: AccessRequest;
    }
  | { readonly type: 'local'; readonly store: ObjectStore };

/**
 * A thread that works on buckets, one task after the other, for as long as a command needs it. Tasks reject as
 * `ObjectStore` does, and with `cancelled` once they have let go of what they had begun.
 */
export class BucketThread implements AsyncDisposable {
  readonly #pool: WorkerPool<BucketTasks>;

  /** `script` is the bundle that serves the role 'bucket'. */
  constructor(script: string) {
    this.#pool = new WorkerPool(script, 'bucket', 1);
  }

  /** Whether it is there, and has nothing in it. */
  async look(bucket: OpenBucket, signal: AbortSignal): Promise<{ readonly exists: boolean; readonly empty: boolean }> {
    return await this.#run('look', bucket, {}, () => undefined, signal);
  }

  async make(bucket: OpenBucket, signal: AbortSignal): Promise<void> {
    await this.#run('make', bucket, {}, () => undefined, signal);
  }

  /** See upload/upload.ts. */
  async upload(
    bucket: OpenBucket,
    options: Omit<UploadOptions, 'cancel'>,
    onEvent: (event: UploadEvent) => void,
    signal: AbortSignal,
  ): Promise<UploadResult> {
    return await this.#run('upload', bucket, { options }, onEvent, signal);
  }

  /** Deletes it with all that is in it; resolves with how many objects that were. */
  async remove(bucket: OpenBucket, onObjects: (count: number) => void, signal: AbortSignal): Promise<number> {
    return await this.#run('remove', bucket, {}, onObjects, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }

  async #run<N extends keyof BucketTasks>(
    task: N,
    bucket: OpenBucket,
    rest: Omit<BucketTasks[N]['input'], 'bucket' | 'cancel'>,
    onEvent: (event: BucketTasks[N]['event']) => void,
    signal: AbortSignal,
  ): Promise<BucketTasks[N]['output']> {
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    const stop = (): void => void Atomics.store(cancel, 0, 1);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    const transfer: TransferListItem[] = [];
    const handle = handOver(bucket, transfer, signal);
    try {
      return await this.#pool.run(task, { ...rest, bucket: handle, cancel }, signal, { transfer, onEvent });
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

function handOver(bucket: OpenBucket, transfer: TransferListItem[], signal: AbortSignal): BucketHandle {
  if (bucket.type === 'cloud') return bucket;
  const { port1, port2 } = new MessageChannel();
  serveStorePort(port1, bucket.store, signal);
  transfer.push(port2);
  return { type: 'port', port: port2 };
}
