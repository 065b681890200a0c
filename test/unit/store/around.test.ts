/** Counting and pacing: what is put around a bucket's calls. */
import { expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { around } from '../../../protocol/store/around.ts';
import { metered, StoreMetrics } from '../../../protocol/store/metered.ts';
import { paced } from '../../../protocol/store/paced.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { MemoryStore } from '../../helpers/memory-store.ts';

const never = new AbortController().signal;

async function bucket(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.createBucket();
  return store;
}

test('calls, failures and bytes are counted', async () => {
  const metrics = new StoreMetrics();
  const store = metered(new MemoryStore(), metrics);
  await store.put('a', Buffer.from('hello'), {}, never);
  for await (const chunk of (await store.get('a', { range: { start: 1, end: 3 } }, never)).bytes)
    expect(Buffer.from(chunk).toString()).toBe('el');
  expect(await codeOf(store.get('b', {}, never))).toBe('object-missing');
  await store.list({ prefix: '' }, never);
  expect(String(metrics)).toBe('1 put, 2 get, 1 list; 1 failed; 2 bytes read, 5 sent');
});

/** A bucket whose heads wait until they are answered. */
function waiting(store: MemoryStore) {
  const running: { answer(): void; throttle(): void }[] = [];
  const held = around(store, {
    call: (_, run) =>
      new Promise((resolve, reject) => {
        running.push({
          answer: () => resolve(run()),
          throttle: () => reject(new TowError('store-throttled', 'slower', { retryable: true })),
        });
      }),
  });
  /** Lets those that run now end, and others begin. */
  const turn = async (end: 'answer' | 'throttle', count = running.length): Promise<void> => {
    for (const call of running.splice(0, count)) call[end]();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { held, running, turn };
}

test('a throttled bucket is asked by fewer at once, then by more again', async () => {
  const { held, running, turn } = waiting(await bucket());
  const store = paced(held, 8);
  const calls = Array.from({ length: 60 }, () => store.head('x', never).catch(() => undefined));
  await turn('answer', 0);
  expect(running.length).toBe(8);
  // Eight that began together are one sign.
  await turn('throttle');
  expect(running.length).toBe(4);
  await turn('throttle', 1);
  expect(running.length).toBe(3);
  await turn('answer');
  expect(running.length).toBeLessThanOrEqual(3);
  for (let round = 0; round < 12; round += 1) await turn('answer');
  while (running.length > 0) await turn('answer');
  await Promise.all(calls);
});

test('at least one at a time is asked, and an aborted one is not', async () => {
  const { held, running, turn } = waiting(await bucket());
  const store = paced(held, 1);
  const stop = new AbortController();
  const first = codeOf(store.head('x', never));
  const second = codeOf(store.head('x', stop.signal));
  const third = codeOf(store.head('x', never));
  stop.abort();
  await turn('answer', 0);
  await turn('throttle');
  expect(await first).toBe('store-throttled');
  expect(await second).toBe('cancelled');
  expect(running.length).toBe(1);
  await turn('answer');
  expect(await third).toBe('no error');
});
