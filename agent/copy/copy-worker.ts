import { workerData } from 'node:worker_threads';
import { systemClock } from '../../protocol/base/clock.ts';
import { serveThread } from '../../protocol/base/serve-thread.ts';
import { metered, StoreMetrics } from '../../protocol/store/metered.ts';
import { openStore } from '../../protocol/store/open-store.ts';
import { paced } from '../../protocol/store/paced.ts';
import { askAccess } from '../../protocol/store/port/access-port.ts';
import { PortStore } from '../../protocol/store/port/port-store.ts';
import { retrying } from '../../protocol/store/retry.ts';
import { buildId } from '../build-id.ts';
import { copyRoot } from './copy-root.ts';
import type { CopiedResult, CopyInput, CopyMessage } from './copy-thread.ts';
import { fetchWidth } from './fetcher.ts';
import { HeadFirst } from './head/head-first.ts';

/** Times a request is made before a copy gives up: about a minute of a service that is away, three of one that asks to go slower. */
const tries = 10;

/** Serves the role 'copy' in the calling thread. */
export async function serveCopyWorker(): Promise<void> {
  const { port, access, refresh, head, options }: CopyInput = workerData;
  await serveThread<CopiedResult>(async (parent) => {
    const post = (message: CopyMessage): void => parent.postMessage(message);
    const { signal } = new AbortController();
    const bucket =
      port === undefined
        ? await openStore(access, { connections: fetchWidth, refresh: () => askAccess(refresh) })
        : await PortStore.open(port);
    const metrics = new StoreMetrics();
    const store = retrying(paced(metered(bucket, metrics), fetchWidth), {
      clock: systemClock,
      tries,
      random: Math.random,
      onRetry: ({ message }, pauseMs) => post({ type: 'note', text: `again in ${Math.round(pauseMs)} ms: ${message}` }),
    });
    const near = head && (await HeadFirst.open(store, { head, build: buildId(), prefix: options.prefix }, signal));
    const stores = { bucket: store, first: near?.store ?? store };
    const result = await copyRoot(stores, options, (event) => post({ type: 'event', event }), signal);
    post({ type: 'note', text: String(metrics) });
    return { ...result, ...(near && { headBytes: near.bytes, headFailure: near.failure }) };
  });
}
