import { type TransferListItem, Worker } from 'node:worker_threads';
import { raceSignal } from './abort.ts';
import { TowError } from './errors.ts';
import { fromWorkerError, type WorkerError } from './worker-message.ts';

/** The last message of a thread that serves one request. */
export type ThreadEnd<R> =
  | { readonly type: 'done'; readonly result: R }
  | { readonly type: 'failed'; readonly error: WorkerError };

export interface ThreadOptions<M> {
  /** Bundle that dispatches on `workerData.role`, and serves it by `serveThread`. */
  readonly script: string;
  readonly workerData: { readonly role: string };
  readonly transfer?: readonly TransferListItem[];
  /** The process's own if left out; with one, what the thread writes to stderr is dropped. */
  readonly env?: Readonly<Record<string, string>>;
  /** What comes before the end. What it throws, or rejects with, ends the thread. */
  readonly onMessage?: (message: M, worker: Worker) => Promise<void> | void;
}

/**
 * A thread for one request: resolves with its result, and rejects with its error, or when `signal` aborts, whatever the
 * thread is at. In all cases it is gone then, and no `onMessage` is under way.
 */
export async function runThread<M extends { readonly type: string }, R>(
  { script, workerData, transfer = [], env, onMessage }: ThreadOptions<M>,
  signal: AbortSignal,
): Promise<R> {
  const own = env === undefined ? {} : { env: { ...env }, stderr: true };
  const worker = new Worker(script, { workerData, transferList: [...transfer], ...own });
  if (env !== undefined) worker.stderr.resume();
  const underWay = new Set<Promise<void>>();
  const handle = async (message: M): Promise<void> => await onMessage?.(message, worker);
  try {
    return await raceSignal(
      new Promise<R>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', () => reject(new TowError('internal', `the thread '${workerData.role}' ended`)));
        worker.on('message', (message: M | ThreadEnd<R>) => {
          if (isEnd(message)) {
            if (message.type === 'done') resolve(message.result);
            else reject(fromWorkerError(message.error));
            return;
          }
          const handled = handle(message)
            .catch(reject)
            .finally(() => underWay.delete(handled));
          underWay.add(handled);
        });
      }),
      signal,
    );
  } finally {
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    await worker.terminate();
    await Promise.all(underWay);
  }
}

function isEnd<R>(message: { readonly type: string } | ThreadEnd<R>): message is ThreadEnd<R> {
  return message.type === 'done' || message.type === 'failed';
}
