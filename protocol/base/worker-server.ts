import { parentPort } from 'node:worker_threads';
import { TowError } from './errors.ts';
import { toWorkerError, type WorkerReply, type WorkerRequest } from './worker-message.ts';
import type { WorkerTasks } from './worker-pool.ts';

export interface TaskOutput<O> {
  readonly output: O;
  readonly transfer?: readonly ArrayBuffer[];
}

/** A role's tasks, as a thread runs them: synchronous, or not when a task must wait. */
export type TaskHandlers<T extends WorkerTasks> = {
  readonly [N in keyof T]: (
    input: T[N]['input'],
    emit: (event: T[N]['event']) => void,
  ) => TaskOutput<T[N]['output']> | Promise<TaskOutput<T[N]['output']>>;
};

/** Serves a role in the calling worker thread. The only sender is our own pool, so its messages are trusted. */
export function serveWorker<T extends WorkerTasks>(handlers: TaskHandlers<T>): void {
  const port = parentPort;
  if (port === null) throw new TowError('internal', 'not in a worker thread');
  const post = (reply: WorkerReply, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(reply, [...transfer]);
  const handle = async (request: WorkerRequest): Promise<void> => {
    try {
      const handler = handlers[request.task];
      if (handler === undefined) throw new TowError('internal', `no worker task ${request.task}`);
      const { output, transfer } = await handler(request.input, (event) =>
        post({ type: 'event', id: request.id, event }),
      );
      post({ type: 'done', id: request.id, output }, transfer);
    } catch (error) {
      post({ type: 'failed', id: request.id, error: toWorkerError(error) });
    }
  };
  port.on('message', (request: WorkerRequest) => void handle(request));
}
