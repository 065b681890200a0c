/** A thread in which the head serves workers: its reads block, and to end the thread is to cut their links. */
import { Worker } from 'node:worker_threads';
import { cancelled } from '../../../protocol/base/abort.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { fromWorkerError, type WorkerError } from '../../../protocol/base/worker-message.ts';
import type { ServeCopiedOptions } from './serve-copied.ts';

export interface HeadInput {
  readonly role: 'head';
  readonly options: ServeCopiedOptions;
}

export type HeadMessage =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'failed'; readonly error: WorkerError };

export interface HeadCallbacks {
  listening(port: number): void;
  /** For the log. */
  note(text: string): void;
}

/** Serves until `signal` aborts: it never resolves. `script` is the bundle that serves the role 'head'. Rejects as `serveCopied`. */
export async function runHead(
  script: string,
  input: HeadInput,
  callbacks: HeadCallbacks,
  signal: AbortSignal,
): Promise<never> {
  const worker = new Worker(script, { workerData: input });
  try {
    return await new Promise<never>((_, reject) => {
      const abort = (): void => reject(cancelled());
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      worker.on('error', reject);
      worker.on('exit', () => reject(new TowError('internal', 'the thread that serves workers ended')));
      worker.on('message', (message: HeadMessage) => {
        if (message.type === 'listening') callbacks.listening(message.port);
        else if (message.type === 'note') callbacks.note(message.text);
        else reject(fromWorkerError(message.error));
      });
    });
  } finally {
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    await worker.terminate();
  }
}
