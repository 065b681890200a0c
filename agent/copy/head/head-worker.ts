import { parentPort, workerData } from 'node:worker_threads';
import { TowError } from '../../../protocol/base/errors.ts';
import { toWorkerError } from '../../../protocol/base/worker-message.ts';
import type { HeadInput, HeadMessage } from './head-thread.ts';
import { serveCopied } from './serve-copied.ts';

/** Serves the role 'head' in the calling thread, until it is ended. The only sender is our own agent, so its messages are trusted. */
export async function serveHeadWorker(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TowError('internal', 'not in a worker thread');
  const input: HeadInput = workerData;
  const post = (message: HeadMessage): void => port.postMessage(message);
  try {
    const { signal } = new AbortController();
    const listening = await serveCopied(input.options, (text) => post({ type: 'note', text }), signal);
    post({ type: 'listening', port: listening.port });
  } catch (error) {
    post({ type: 'failed', error: toWorkerError(error) });
  }
}
