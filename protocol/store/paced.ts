/**
 * Keeps a service that asks to go slower from being asked as much by the tries that follow: calls at once are halved by
 * each such answer, and grow by one for each round of good ones (additive increase, multiplicative decrease: Chiu and
 * Jain, 1989).
 */
import { throwIfAborted } from '../base/abort.ts';
import { TowError } from '../base/errors.ts';
import { around } from './around.ts';
import type { ObjectStore } from './object-store.ts';

/** `most` calls at once, and fewer while the service is throttling. A body that is being read is no call. */
export function paced(store: ObjectStore, most: number): ObjectStore {
  let allowed = most;
  let running = 0;
  /** Good answers since the allowance changed. */
  let good = 0;
  /** Answers to calls that began before the last cut say nothing of it. */
  let epoch = 0;
  const waiting: (() => void)[] = [];
  const next = (): void => {
    while (running < Math.floor(allowed) && waiting.length > 0) {
      running += 1;
      waiting.shift()?.();
    }
  };
  return around(store, {
    call: async (_, run, signal) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        next();
      });
      const began = epoch;
      try {
        throwIfAborted(signal);
        const result = await run();
        good += 1;
        if (good >= allowed && allowed < most) {
          allowed += 1;
          good = 0;
        }
        return result;
      } catch (error) {
        if (error instanceof TowError && error.code === 'store-throttled' && began === epoch) {
          allowed = Math.max(1, allowed / 2);
          good = 0;
          epoch += 1;
        }
        throw error;
      } finally {
        running -= 1;
        next();
      }
    },
  });
}
