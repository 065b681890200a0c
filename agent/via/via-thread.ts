/** A thread for each pull that asks an object store: the clouds' clients are large, and end with it. */
import { Worker } from 'node:worker_threads';
import { cancelled } from '../../protocol/base/abort.ts';
import { TowError, toTowError } from '../../protocol/base/errors.ts';
import { fromWorkerError, toWorkerError, type WorkerError } from '../../protocol/base/worker-message.ts';
import type { CataloguedBlock, StoreOutcome } from '../../protocol/pull/replica/chunk-store.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { StoredSnapshot, TakeBlock } from './fetch-stored.ts';

export interface ViaInput {
  readonly role: 'via';
  readonly access: StoreAccess;
  readonly snapshot: StoredSnapshot;
}

/** From the thread. */
export type ViaMessage =
  /** Answered by `taken`. */
  | { readonly type: 'block'; readonly id: number; readonly block: CataloguedBlock }
  | { readonly type: 'note'; readonly text: string }
  /** Answered by `access` or `refused`. */
  | { readonly type: 'refresh' }
  | { readonly type: 'done'; readonly outcome: StoreOutcome }
  | { readonly type: 'failed'; readonly error: WorkerError };

/** To the thread. */
export type ViaReply =
  | { readonly type: 'taken'; readonly id: number; readonly sound: boolean }
  | { readonly type: 'access'; readonly access: StoreAccess }
  | { readonly type: 'refused'; readonly error: WorkerError };

export interface ViaCallbacks {
  readonly take: TakeBlock;
  /** For the log. */
  note(text: string): void;
  refresh(): Promise<StoreAccess>;
}

/** Runs `fetchStored`. `script` is the bundle that serves the role 'via'. When it rejects no block is being taken any more. */
export async function runVia(
  script: string,
  input: ViaInput,
  callbacks: ViaCallbacks,
  signal: AbortSignal,
): Promise<StoreOutcome> {
  const worker = new Worker(script, { workerData: input });
  const post = (reply: ViaReply): void => worker.postMessage(reply);
  const taking = new Set<Promise<void>>();
  try {
    return await new Promise<StoreOutcome>((resolve, reject) => {
      const abort = (): void => reject(signal.reason instanceof TowError ? signal.reason : cancelled());
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      worker.on('error', reject);
      worker.on('exit', () => reject(new TowError('internal', 'the thread that fetches chunks ended')));
      worker.on('message', (message: ViaMessage) => {
        switch (message.type) {
          case 'block': {
            const { id, block } = message;
            const taken = callbacks
              .take(block)
              .then((sound) => post({ type: 'taken', id, sound }), reject)
              .finally(() => taking.delete(taken));
            taking.add(taken);
            break;
          }
          case 'note':
            callbacks.note(message.text);
            break;
          case 'refresh':
            callbacks.refresh().then(
              (access) => post({ type: 'access', access }),
              (error: unknown) =>
                post({ type: 'refused', error: toWorkerError(toTowError(error, 'asking for access')) }),
            );
            break;
          case 'done':
            resolve(message.outcome);
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
    await Promise.all(taking);
  }
}
