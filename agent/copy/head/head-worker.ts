import { workerData } from 'node:worker_threads';
import { serveThread } from '../../../protocol/base/serve-thread.ts';
import type { HeadInput, HeadMessage } from './head-thread.ts';
import { serveCopied } from './serve-copied.ts';

/** Serves the role 'head' in the calling thread, until it is ended. */
export async function serveHeadWorker(): Promise<void> {
  const { options }: HeadInput = workerData;
  await serveThread<never>(async (parent) => {
    const post = (message: HeadMessage): void => parent.postMessage(message);
    const { signal } = new AbortController();
    const { port } = await serveCopied(options, (text) => post({ type: 'note', text }), signal);
    post({ type: 'listening', port });
    return await new Promise<never>(() => undefined);
  });
}
