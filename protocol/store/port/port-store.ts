import type { MessagePort } from 'node:worker_threads';
import { raceSignal } from '../../base/abort.ts';
import { TowError } from '../../base/errors.ts';
import { fromWorkerError } from '../../base/worker-message.ts';
import type {
  DeleteFailure,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectHead,
  ObjectStore,
  Upload,
  WriteOptions,
  Written,
} from '../object-store.ts';
import type { StoreTraits } from '../store-traits.ts';
import type { PortCall, PortReply, PortRequest, PortResult } from './store-port.ts';

type Answer<T extends PortResult['type']> = Extract<PortResult, { readonly type: T }>;

/** A bucket that another thread has open (`serveStorePort` there). Parts of uploads are not copied. */
export class PortStore implements ObjectStore {
  readonly traits: StoreTraits;
  readonly #calls: PortCalls;

  private constructor(calls: PortCalls, traits: StoreTraits) {
    this.#calls = calls;
    this.traits = traits;
  }

  static async open(port: MessagePort): Promise<PortStore> {
    const calls = new PortCalls(port);
    return new PortStore(calls, (await calls.ask({ method: 'traits' }, 'traits')).traits);
  }

  async bucketExists(signal: AbortSignal): Promise<boolean> {
    return (await this.#calls.ask({ method: 'bucketExists' }, 'exists', signal)).exists;
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    await this.#calls.ask({ method: 'createBucket' }, 'done', signal);
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    await this.#calls.ask({ method: 'deleteBucket' }, 'done', signal);
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ListPage> {
    return (await this.#calls.ask({ method: 'list', options }, 'page', signal)).page;
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    return (await this.#calls.ask({ method: 'head', key }, 'head', signal)).head;
  }

  async get(key: string, options: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    const { head, body } = await this.#calls.ask({ method: 'get', key, options }, 'body', signal);
    return { head, bytes: this.#read(body, signal) };
  }

  async *#read(body: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    let ended = false;
    try {
      while (!ended) {
        const { bytes } = await this.#calls.ask({ method: 'read', body }, 'bytes', signal);
        ended = bytes === undefined;
        if (bytes !== undefined) yield bytes;
      }
    } finally {
      // The other end lets go of one that failed by itself.
      if (!ended) await this.#calls.ask({ method: 'leave', body }, 'done').catch(() => undefined);
    }
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal): Promise<Written> {
    return (await this.#calls.ask({ method: 'put', key, bytes, options }, 'written', signal)).written;
  }

  async startUpload(key: string, options: WriteOptions, signal: AbortSignal): Promise<Upload> {
    const calls = this.#calls;
    const { upload } = await calls.ask({ method: 'startUpload', key, options }, 'upload', signal);
    return {
      part: async (number, bytes, during) => {
        await calls.ask({ method: 'part', upload, number, bytes }, 'done', during);
      },
      copyPart: async () => {
        throw new TowError('internal', `${key}: a port does not copy parts`);
      },
      complete: async (during) => (await calls.ask({ method: 'complete', upload }, 'written', during)).written,
      abort: async () => {
        await calls.ask({ method: 'abort', upload }, 'done').catch(() => undefined);
      },
    };
  }

  async copy(
    from: string,
    to: string,
    options: { readonly ifVersion?: string; readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'> },
    signal: AbortSignal,
  ): Promise<Written> {
    return (await this.#calls.ask({ method: 'copy', from, to, options }, 'written', signal)).written;
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    await this.#calls.ask({ method: 'delete', key }, 'done', signal);
  }

  async deleteMany(keys: readonly string[], signal: AbortSignal): Promise<readonly DeleteFailure[]> {
    return (await this.#calls.ask({ method: 'deleteMany', keys }, 'failures', signal)).failures;
  }
}

/** Calls under way. An aborted one goes on at the other end; its answer is not waited for. */
class PortCalls {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, (result: PortResult) => void>();
  #next = 1;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', ({ id, result }: PortReply) => {
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    });
  }

  async ask<T extends PortResult['type']>(call: PortCall, wanted: T, signal?: AbortSignal): Promise<Answer<T>> {
    const id = this.#next++;
    const request: PortRequest = { id, call };
    const replied = new Promise<PortResult>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#port.postMessage(request);
    });
    const result = await (signal === undefined ? replied : raceSignal(replied, signal));
    if (result.type === 'failed') throw fromWorkerError(result.error);
    if (isAnswer(result, wanted)) return result;
    throw new TowError('internal', `${call.method} was answered by ${result.type}`);
  }
}

function isAnswer<T extends PortResult['type']>(result: PortResult, wanted: T): result is Answer<T> {
  return result.type === wanted;
}
