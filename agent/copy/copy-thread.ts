/** A thread for each copy: its file work blocks, and to end the thread is to cancel it. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { runThread } from '../../protocol/base/run-thread.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { AccessPort } from '../../protocol/store/port/access-port.ts';
import { serveStorePort } from '../../protocol/store/port/serve-store-port.ts';
import type { HeadAccess } from '../../protocol/wire/copied.ts';
import type { PullEvent } from '../../protocol/wire/pull.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { CopyOptions, CopyResult } from './copy-root.ts';

export interface CopyInput {
  readonly role: 'copy';
  /** Where a bucket under the controller is asked for; undefined for a cloud's. */
  readonly port: MessagePort | undefined;
  readonly access: StoreAccess;
  /** Of the cluster, if it has copied this place. */
  readonly head: HeadAccess | undefined;
  /** For `askAccess`. */
  readonly refresh: MessagePort;
  readonly options: CopyOptions;
}

/** From the thread. */
export type CopyMessage =
  | { readonly type: 'event'; readonly event: PullEvent }
  | { readonly type: 'note'; readonly text: string };

export interface CopiedResult extends CopyResult {
  /** Bytes that came from the head, and why not all did. */
  readonly headBytes?: number | undefined;
  readonly headFailure?: string | undefined;
}

export interface CopyCallbacks {
  event(event: PullEvent): void;
  /** For the log. */
  note(text: string): void;
  refresh(): Promise<StoreAccess>;
}

/**
 * Runs a copy; see `copyRoot`. `script` is the bundle that serves the role 'copy'; `local` opens a bucket under the
 * controller, which only this thread has a link to.
 */
export async function runCopy(
  script: string,
  input: Omit<CopyInput, 'port' | 'refresh'>,
  local: (bucket: string) => ObjectStore,
  callbacks: CopyCallbacks,
  signal: AbortSignal,
): Promise<CopiedResult> {
  const { access } = input;
  const channel = access.service === 'local' ? new MessageChannel() : undefined;
  if (access.service === 'local' && channel !== undefined) serveStorePort(channel.port1, local(access.bucket), signal);
  using newer = new AccessPort(() => callbacks.refresh());
  const workerData: CopyInput = { ...input, port: channel?.port2, refresh: newer.forThread };
  const transfer = [newer.forThread, ...(channel === undefined ? [] : [channel.port2])];
  const onMessage = (message: CopyMessage): void => {
    if (message.type === 'event') callbacks.event(message.event);
    else callbacks.note(message.text);
  };
  try {
    return await runThread<CopyMessage, CopiedResult>({ script, workerData, transfer, onMessage }, signal);
  } finally {
    channel?.port1.close();
  }
}
