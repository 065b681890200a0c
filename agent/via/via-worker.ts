import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../protocol/base/clock.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { fromWorkerError, toWorkerError } from '../../protocol/base/worker-message.ts';
import { openStore } from '../../protocol/store/open-store.ts';
import { retrying } from '../../protocol/store/retry.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import { fetchStored, type TakeBlock, viaFetchWidth } from './fetch-stored.ts';
import type { ViaInput, ViaMessage, ViaReply } from './via-thread.ts';

/** Times a request is made before the controller is asked instead: some seconds, for that one is there. */
const tries = 6;

/** Serves the role 'via' in the calling thread. The only sender is our own agent, so its messages are trusted. */
export async function serveViaWorker(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TowError('internal', 'not in a worker thread');
  const input: ViaInput = workerData;
  const post = (message: ViaMessage, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, [...transfer]);
  const taken = new Map<number, (sound: boolean) => void>();
  let answer: { resolve(access: StoreAccess): void; reject(error: unknown): void } | undefined;
  port.on('message', (reply: ViaReply) => {
    switch (reply.type) {
      case 'taken':
        taken.get(reply.id)?.(reply.sound);
        taken.delete(reply.id);
        break;
      case 'access':
        answer?.resolve(reply.access);
        break;
      case 'refused':
        answer?.reject(fromWorkerError(reply.error));
        break;
    }
  });
  const refresh = (): Promise<StoreAccess> =>
    new Promise((resolve, reject) => {
      answer = { resolve, reject };
      post({ type: 'refresh' });
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
  try {
    const bucket = await openStore(input.access, { connections: viaFetchWidth, refresh });
    const store = retrying(bucket, {
      clock: systemClock,
      tries,
      random: Math.random,
      onRetry: ({ message }, pauseMs) => post({ type: 'note', text: `again in ${Math.round(pauseMs)} ms: ${message}` }),
    });
    post({ type: 'done', outcome: await fetchStored(store, input.snapshot, take, signal) });
  } catch (error) {
    post({ type: 'failed', error: toWorkerError(error) });
  }
}
