/**
 * Tries again what a service could not do just now, with pauses that grow and are spread at random ("full jitter", as
 * Amazon's builders' library describes it), longer after it asked to go slower.
 */
import { createHash } from 'node:crypto';
import { throwIfAborted } from '../base/abort.ts';
import type { Clock } from '../base/clock.ts';
import { TowError } from '../base/errors.ts';
import type {
  GetOptions,
  ListOptions,
  ObjectBody,
  ObjectHead,
  ObjectStore,
  Upload,
  WriteOptions,
  Written,
} from './object-store.ts';

export interface RetryOptions {
  readonly clock: Clock;
  /** Tries of one call, the first counted; a body that goes on for each MiB starts anew. */
  readonly tries: number;
  /** 0 up to 1. */
  random(): number;
  /** Told before each pause. */
  onRetry(error: TowError, pauseMs: number): void;
}

const firstPauseMs = 100;
const firstThrottlePauseMs = 500;
const longestPauseMs = 20_000;
/** So many bytes of a body make its earlier failures forgotten. */
const progressBytes = 1 << 20;

/** Calls `attempt` until it does not fail with a retryable error, or has failed `tries` times. */
export async function withRetries<T>(
  attempt: (again: boolean) => Promise<T>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    throwIfAborted(signal);
    try {
      return await attempt(failures > 0);
    } catch (error) {
      if (!(error instanceof TowError) || !error.retryable || failures + 1 >= options.tries || signal.aborted)
        throw error;
      const first = error.code === 'store-throttled' ? firstThrottlePauseMs : firstPauseMs;
      const pauseMs = Math.min(longestPauseMs, first * 2 ** failures) * options.random();
      options.onRetry(error, pauseMs);
      await options.clock.sleep(pauseMs, signal);
    }
  }
}

/** The same bucket, whose calls are tried again. A body that breaks off goes on where it broke, if the object is still the same. */
export function retrying(store: ObjectStore, options: RetryOptions): ObjectStore {
  const run = <T>(attempt: (again: boolean) => Promise<T>, signal: AbortSignal): Promise<T> =>
    withRetries(attempt, options, signal);
  return {
    traits: store.traits,
    bucketExists: (signal) => run(() => store.bucketExists(signal), signal),
    createBucket: (signal) => run(() => store.createBucket(signal), signal),
    deleteBucket: (signal) => run(() => store.deleteBucket(signal), signal),
    list: (list: ListOptions, signal) => run(() => store.list(list, signal), signal),
    head: (key, signal) => run(() => store.head(key, signal), signal),
    get: async (key, get, signal) => {
      const body = await run(() => store.get(key, get, signal), signal);
      return { head: body.head, bytes: resumed(store, body, get, options, signal) };
    },
    put: (key, bytes, write, signal) =>
      run(
        (again) =>
          ifDoneBefore(
            again,
            store,
            key,
            { size: bytes.byteLength, bytes },
            write,
            () => store.put(key, bytes, write, signal),
            signal,
          ),
        signal,
      ),
    startUpload: async (key, write, signal) => {
      const upload = await run(() => store.startUpload(key, write, signal), signal);
      return retryingUpload(store, upload, key, write, options);
    },
    copy: (from, to, copy, signal) => run(() => store.copy(from, to, copy, signal), signal),
    delete: (key, signal) => run(() => store.delete(key, signal), signal),
    deleteMany: (keys, signal) => run(() => store.deleteMany(keys, signal), signal),
  };
}

function retryingUpload(
  store: ObjectStore,
  upload: Upload,
  key: string,
  write: WriteOptions,
  options: RetryOptions,
): Upload {
  const sizes = new Map<number, number>();
  const noted = async (number: number, bytes: number, send: () => Promise<void>, signal: AbortSignal) => {
    await withRetries(send, options, signal);
    sizes.set(number, bytes);
  };
  return {
    part: (number, bytes, signal) => noted(number, bytes.byteLength, () => upload.part(number, bytes, signal), signal),
    copyPart: (number, from, range, version, signal) =>
      noted(number, range.end - range.start, () => upload.copyPart(number, from, range, version, signal), signal),
    complete: (signal) => {
      const size = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
      return withRetries(
        (again) =>
          ifDoneBefore(again, store, key, { size, bytes: undefined }, write, () => upload.complete(signal), signal),
        options,
        signal,
      );
    },
    abort: () => upload.abort(),
  };
}

/**
 * A write whose answer was lost may have been done: a second try is then refused, for the condition does not hold any more
 * or the upload is gone. It is taken for done when the object that is there has the size that was written, and the MD5 where
 * both are known.
 */
async function ifDoneBefore(
  again: boolean,
  store: ObjectStore,
  key: string,
  written: { readonly size: number; readonly bytes: Uint8Array | undefined },
  { condition }: WriteOptions,
  write: () => Promise<Written>,
  signal: AbortSignal,
): Promise<Written> {
  try {
    return await write();
  } catch (error) {
    const refused =
      error instanceof TowError &&
      (error.code === 'object-missing' || (error.code === 'object-changed' && condition !== undefined));
    if (!again || !refused) throw error;
    const head: ObjectHead | undefined = await store.head(key, signal);
    const replaced = condition?.type !== 'version' || head?.version !== condition.version;
    if (head === undefined || !replaced || head.size !== written.size || !mayHave(head, written.bytes)) throw error;
    return head;
  }
}

/** Whether an object may be of these bytes: by its MD5, where the service gives one. */
function mayHave({ md5 }: ObjectHead, bytes: Uint8Array | undefined): boolean {
  return md5 === undefined || bytes === undefined || createHash('md5').update(bytes).digest('hex') === md5;
}

async function* resumed(
  store: ObjectStore,
  first: ObjectBody,
  { range, borrow = false }: GetOptions,
  options: RetryOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? first.head.size, first.head.size);
  let at = start;
  let body: AsyncIterable<Uint8Array> = first.bytes;
  let failedAt = start;
  let failures = 0;
  for (;;) {
    try {
      for await (const chunk of body) {
        at += chunk.byteLength;
        yield chunk;
      }
      return;
    } catch (error) {
      if (!(error instanceof TowError) || !error.retryable || signal.aborted) throw error;
      failures = at - failedAt >= progressBytes ? 1 : failures + 1;
      failedAt = at;
      if (failures >= options.tries || at >= end) throw error;
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** failures) * options.random();
      options.onRetry(error, pauseMs);
      await options.clock.sleep(pauseMs, signal);
      body = await withRetries(
        async () =>
          (
            await store.get(
              first.head.key,
              { range: { start: at, end }, ifVersion: first.head.version, borrow },
              signal,
            )
          ).bytes,
        options,
        signal,
      );
    }
  }
}
