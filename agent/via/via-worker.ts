import { workerData } from 'node:worker_threads';
import { systemClock } from '../../protocol/base/clock.ts';
import { serveThread } from '../../protocol/base/serve-thread.ts';
import type { StoreOutcome } from '../../protocol/pull/replica/chunk-store.ts';
import { openStore } from '../../protocol/store/open-store.ts';
import { askAccess } from '../../protocol/store/port/access-port.ts';
import { retrying } from '../../protocol/store/retry.ts';
import { fetchStored, type TakeBlock, viaFetchWidth } from './fetch-stored.ts';
import type { Taken, ViaInput, ViaMessage } from './via-thread.ts';

/** Times a request is made before the controller is asked instead: some seconds, for that one is there. */
const tries = 6;

/** Serves the role 'via' in the calling thread. */
export async function serveViaWorker(): Promise<void> {
  const { access, refresh, snapshot }: ViaInput = workerData;
  await serveThread<StoreOutcome>(async (parent) => {
    const post = (message: ViaMessage, transfer: readonly ArrayBuffer[] = []): void =>
      parent.postMessage(message, [...transfer]);
    const taken = new Map<number, (sound: boolean) => void>();
    parent.on('message', ({ id, sound }: Taken) => {
      taken.get(id)?.(sound);
      taken.delete(id);
    });
    let nextId = 1;
    const take: TakeBlock = (block) =>
      new Promise((resolve) => {
        const id = nextId++;
        taken.set(id, resolve);
        const { buffer } = block.body;
        post({ type: 'block', id, block }, buffer instanceof ArrayBuffer ? [buffer] : []);
      });
    const { signal } = new AbortController();
    const bucket = await openStore(access, { connections: viaFetchWidth, refresh: () => askAccess(refresh) });
    const store = retrying(bucket, {
      clock: systemClock,
      tries,
      random: Math.random,
      onRetry: ({ message }, pauseMs) => post({ type: 'note', text: `again in ${Math.round(pauseMs)} ms: ${message}` }),
    });
    return await fetchStored(store, snapshot, take, signal);
  });
}
