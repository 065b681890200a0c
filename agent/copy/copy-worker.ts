import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../protocol/base/clock.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { fromWorkerError, toWorkerError } from '../../protocol/base/worker-message.ts';
import { metered, StoreMetrics } from '../../protocol/store/metered.ts';
import { openStore } from '../../protocol/store/open-store.ts';
import { paced } from '../../protocol/store/paced.ts';
import { PortStore } from '../../protocol/store/port/port-store.ts';
import { retrying } from '../../protocol/store/retry.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import { buildId } from '../build-id.ts';
import { copyRoot } from './copy-root.ts';
import type { CopyInput, CopyMessage, CopyReply } from './copy-thread.ts';
import { fetchWidth } from './fetcher.ts';
import { HeadFirst } from './head/head-first.ts';

/** Times a request is made before a copy gives up: about a minute of a service that is away, three of one that asks to go slower. */
const tries = 10;

/** Serves the role 'copy' in the calling thread. The only sender is our own agent, so its messages are trusted. */
export async function serveCopyWorker(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TowError('internal', 'not in a worker thread');
  const input: CopyInput = workerData;
  const post = (message: CopyMessage): void => port.postMessage(message);
  const refresh = (): Promise<StoreAccess> =>
    new Promise((resolve, reject) => {
      port.once('message', (reply: CopyReply) => {
        if (reply.type === 'access') resolve(reply.access);
        else reject(fromWorkerError(reply.error));
      });
      post({ type: 'refresh' });
    });
  const { signal } = new AbortController();
  try {
    const bucket =
      input.port === undefined
        ? await openStore(input.access, { connections: fetchWidth, refresh })
        : await PortStore.open(input.port);
    const metrics = new StoreMetrics();
    const store = retrying(paced(metered(bucket, metrics), fetchWidth), {
      clock: systemClock,
      tries,
      random: Math.random,
      onRetry: ({ message }, pauseMs) => post({ type: 'note', text: `again in ${Math.round(pauseMs)} ms: ${message}` }),
    });
    const { head, options } = input;
    const near = head && (await HeadFirst.open(store, { head, build: buildId(), prefix: options.prefix }, signal));
    const stores = { bucket: store, first: near?.store ?? store };
    const result = await copyRoot(stores, options, (event) => post({ type: 'event', event }), signal);
    post({ type: 'note', text: String(metrics) });
    const fromHead = near && { headBytes: near.bytes, headFailure: near.failure };
    post({ type: 'done', result: { ...result, ...fromHead } });
  } catch (error) {
    post({ type: 'failed', error: toWorkerError(error) });
  }
}
