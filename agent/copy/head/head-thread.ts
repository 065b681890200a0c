/** A thread in which the head serves workers: its reads block, and to end the thread is to cut their links. */
import { runThread } from '../../../protocol/base/run-thread.ts';
import type { ServeCopiedOptions } from './serve-copied.ts';

export interface HeadInput {
  readonly role: 'head';
  readonly options: ServeCopiedOptions;
}

/** From the thread. */
export type HeadMessage =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'note'; readonly text: string };

export interface HeadCallbacks {
  listening(port: number): void;
  /** For the log. */
  note(text: string): void;
}

/** Serves until `signal` aborts: it never resolves. `script` is the bundle that serves the role 'head'. Rejects as `serveCopied`. */
export async function runHead(
  script: string,
  workerData: HeadInput,
  callbacks: HeadCallbacks,
  signal: AbortSignal,
): Promise<never> {
  const onMessage = (message: HeadMessage): void => {
    if (message.type === 'listening') callbacks.listening(message.port);
    else callbacks.note(message.text);
  };
  return await runThread<HeadMessage, never>({ script, workerData, onMessage }, signal);
}
