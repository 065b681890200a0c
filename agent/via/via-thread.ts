/** A thread for each pull that asks an object store: the clouds' clients are large, and end with it. */
import type { MessagePort } from 'node:worker_threads';
import { runThread } from '../../protocol/base/run-thread.ts';
import type { CataloguedBlock, StoreOutcome } from '../../protocol/pull/replica/chunk-store.ts';
import { AccessPort } from '../../protocol/store/port/access-port.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { StoredSnapshot, TakeBlock } from './fetch-stored.ts';

export interface ViaInput {
  readonly role: 'via';
  readonly access: StoreAccess;
  /** For `askAccess`. */
  readonly refresh: MessagePort;
  readonly snapshot: StoredSnapshot;
}

/** From the thread. */
export type ViaMessage =
  /** Answered by `Taken`. */
  | { readonly type: 'block'; readonly id: number; readonly block: CataloguedBlock }
  | { readonly type: 'note'; readonly text: string };

/** To the thread. */
export interface Taken {
  readonly id: number;
  readonly sound: boolean;
}

export interface ViaCallbacks {
  readonly take: TakeBlock;
  /** For the log. */
  note(text: string): void;
  refresh(): Promise<StoreAccess>;
}

/** Runs `fetchStored`. `script` is the bundle that serves the role 'via'. When it rejects no block is being taken any more. */
export async function runVia(
  script: string,
  input: Omit<ViaInput, 'refresh'>,
  callbacks: ViaCallbacks,
  signal: AbortSignal,
): Promise<StoreOutcome> {
  using newer = new AccessPort(() => callbacks.refresh());
  const workerData: ViaInput = { ...input, refresh: newer.forThread };
  return await runThread<ViaMessage, StoreOutcome>(
    {
      script,
      workerData,
      transfer: [newer.forThread],
      onMessage: async (message, worker) => {
        if (message.type === 'note') {
          callbacks.note(message.text);
          return;
        }
        const taken: Taken = { id: message.id, sound: await callbacks.take(message.block) };
        worker.postMessage(taken);
      },
    },
    signal,
  );
}
