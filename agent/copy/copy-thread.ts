/** A thread for each copy: its file work blocks, and to end the thread is to cancel it. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { cancelled } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { fromWorkerError, toWorkerError, type WorkerError } from '../../protocol/base/worker-message.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { serveStorePort } from '../../protocol/store/port/serve-store-port.ts';
import type { HeadAccess } from '../../protocol/wire/copied.ts';
import type { PullEvent } from '../../protocol/wire/pull.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { CopyOptions, CopyResult } from './copy-root.ts';

export interface CopyInput {
  readonly role: 'copy';
  /** Where a bucket under the controller is asked for; undefined for a cloud's. */
  readonly port: MessagePort | undefined;
  readonly access: StoreAccess;
  /** Of the cluster, if it has copied this place. */
  readonly head: HeadAccess | undefined;
  readonly options: CopyOptions;
}

/** From the thread. */
export type CopyMessage =
  | { readonly type: 'event'; readonly event: PullEvent }
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'refresh' }
  | { readonly type: 'done'; readonly result: CopiedResult }
  | { readonly type: 'failed'; readonly error: WorkerError };

/** To the thread, for `refresh`. */
export type CopyReply =
  | { readonly type: 'access'; readonly access: StoreAccess }
  | { readonly type: 'refused'; readonly error: WorkerError };

export interface CopiedResult extends CopyResult {
  /** Bytes that came from the head, and why not all did. */
  readonly headBytes?: number | undefined;
  readonly headFailure?: string | undefined;
}

export interface CopyCallbacks {
  event(event: PullEvent): void;
  /** For the log. */
  note(text: string): void;
  refresh(): Promise<StoreAccess>;
}

/**
 * Runs a copy; see `copyRoot`. `script` is the bundle that serves the role 'copy'; `local` opens a bucket under the
 * controller, which only this thread has a link to.
 */
export async function runCopy(
  script: string,
  input: Omit<CopyInput, 'port'>,
  local: (bucket: string) => ObjectStore,
  callbacks: CopyCallbacks,
  signal: AbortSignal,
): Promise<CopiedResult> {
  const { access } = input;
  const channel = access.service === 'local' ? new MessageChannel() : undefined;
  if (access.service === 'local' && channel !== undefined) serveStorePort(channel.port1, local(access.bucket), signal);
  const workerData: CopyInput = { ...input, port: channel?.port2 };
  const worker = new Worker(script, { workerData, transferList: channel === undefined ? [] : [channel.port2] });
  const post = (reply: CopyReply): void => worker.postMessage(reply);
  try {
    return await new Promise<CopiedResult>((resolve, reject) => {
      const abort = (): void => reject(signal.reason instanceof TowError ? signal.reason : cancelled());
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      worker.on('error', reject);
      worker.on('exit', () => reject(new TowError('internal', 'the thread of a copy ended')));
      worker.on('message', (message: CopyMessage) => {
        switch (message.type) {
          case 'event':
            callbacks.event(message.event);
            break;
          case 'note':
            callbacks.note(message.text);
            break;
          case 'refresh':
            callbacks.refresh().then(
              (access) => post({ type: 'access', access }),
              (error: unknown) => post({ type: 'refused', error: toWorkerError(error) }),
            );
            break;
          case 'done':
            resolve(message.result);
            break;
          case 'failed':
            reject(fromWorkerError(message.error));
            break;
        }
      });
    });
  } finally {
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    await worker.terminate();
    channel?.port1.close();
  }
}
