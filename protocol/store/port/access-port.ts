/** How a thread that has a cloud's bucket open asks for newer access, when what opens it ends. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { toTowError } from '../../base/errors.ts';
import { fromWorkerError, toWorkerError, type WorkerError } from '../../base/worker-message.ts';
import type { StoreAccess } from '../../wire/store-access.ts';

type Answer =
  | { readonly type: 'access'; readonly access: StoreAccess }
  | { readonly type: 'refused'; readonly error: WorkerError };

/** The end that knows. Dispose of it when the thread has ended. */
export class AccessPort implements Disposable {
  readonly #channel = new MessageChannel();

  constructor(refresh: () => Promise<StoreAccess>) {
    const { port1 } = this.#channel;
    const answer = (reply: Answer): void => port1.postMessage(reply);
    port1.on('message', () => {
      refresh().then(
        (access) => answer({ type: 'access', access }),
        (error: unknown) => answer({ type: 'refused', error: toWorkerError(toTowError(error, 'asking for access')) }),
      );
    });
    port1.unref();
  }

  /** To be transferred to the thread, for `askAccess`. */
  get forThread(): MessagePort {
    return this.#channel.port2;
  }

  [Symbol.dispose](): void {
    this.#channel.port1.close();
  }
}

/** The thread's end. One question at a time, or the same answer for several. */
export function askAccess(port: MessagePort): Promise<StoreAccess> {
  return new Promise((resolve, reject) => {
    port.once('message', (answer: Answer) => {
      if (answer.type === 'access') resolve(answer.access);
      else reject(fromWorkerError(answer.error));
    });
    port.postMessage('refresh');
  });
}
