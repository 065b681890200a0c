import { type MessagePort, parentPort } from 'node:worker_threads';
import { TowError } from './errors.ts';
import type { ThreadEnd } from './run-thread.ts';
import { toWorkerError } from './worker-message.ts';

/** Does the one thing that `runThread` started this thread for. The only sender is our own process, so its messages are trusted. */
export async function serveThread<R>(work: (port: MessagePort) => Promise<R>): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TowError('internal', 'not in a worker thread');
  const end = (message: ThreadEnd<R>): void => port.postMessage(message);
  try {
    end({ type: 'done', result: await work(port) });
  } catch (error) {
    end({ type: 'failed', error: toWorkerError(error) });
  }
}
