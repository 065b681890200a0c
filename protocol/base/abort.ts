import { TowError } from './errors.ts';

/** The error every cancelled operation ends with. */
export function cancelled(): TowError {
  return new TowError('cancelled', 'cancelled');
}

/** Throws the `cancelled` error if `signal` is aborted; used at loop heads. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw reasonOf(signal);
}

/**
 * Waits for `promise`, or rejects when `signal` aborts. Removes its listener in both cases, unlike `Promise.race` with
 * a long-lived promise, which leaks (nodejs/node#17469). The promise itself goes on: its owner must still settle it.
 */
export async function raceSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal);
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function reasonOf(signal: AbortSignal): TowError {
  return signal.reason instanceof TowError ? signal.reason : cancelled();
}
