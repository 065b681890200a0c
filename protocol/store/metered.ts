import { around, type StoreCall } from './around.ts';
import type { ObjectStore } from './object-store.ts';

/** What was asked of a bucket so far. */
export class StoreMetrics {
  readonly calls = new Map<StoreCall, number>();
  failures = 0;
  readBytes = 0;
  sentBytes = 0;

  /** One line for a log. */
  toString(): string {
    const calls = [...this.calls].map(([what, count]) => `${count} ${what}`).join(', ');
    return `${calls === '' ? 'no calls' : calls}; ${this.failures} failed; ${this.readBytes} bytes read, ${this.sentBytes} sent`;
  }
}

/** The same bucket, whose calls are counted, tries of one call singly. */
export function metered(store: ObjectStore, metrics: StoreMetrics): ObjectStore {
  return around(store, {
    call: async (what, run) => {
      metrics.calls.set(what, (metrics.calls.get(what) ?? 0) + 1);
      try {
        return await run();
      } catch (error) {
        metrics.failures += 1;
        throw error;
      }
    },
    body: async function* (bytes) {
      for await (const chunk of bytes) {
        metrics.readBytes += chunk.byteLength;
        yield chunk;
      }
    },
    sent: (bytes) => {
      metrics.sentBytes += bytes;
    },
  });
}
