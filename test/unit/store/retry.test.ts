import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import type { ObjectBody } from '../../../protocol/store/object-store.ts';
import { type RetryOptions, retrying, withRetries } from '../../../protocol/store/retry.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { MemoryStore } from '../../helpers/memory-store.ts';
import { Random } from '../../helpers/random.ts';
import { VirtualClock } from '../../helpers/virtual-clock.ts';

const { signal } = new AbortController();
const away = (): TowError => new TowError('store-unreachable', 'away', { retryable: true });
const slow = (): TowError => new TowError('store-throttled', 'slow down', { retryable: true });

/** Pauses are as long as they may be, and pass at once. */
function bench(
  tries = 10,
  unit = 1,
): { readonly options: RetryOptions; readonly pauses: number[]; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  const pauses: number[] = [];
  return {
    clock,
    pauses,
    options: { clock, tries, random: () => unit, onRetry: (_, pauseMs) => pauses.push(pauseMs) },
  };
}

async function through<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const state = { over: false };
  const done = work.finally(() => {
    state.over = true;
  });
  done.catch(() => undefined);
  for (let n = 0; n < 1000 && !state.over; n += 1) await clock.advance(20_000);
  return await done;
}

async function bytesOf({ bytes }: ObjectBody): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('pauses double up to 20 s, from 100 ms, and from 500 ms when the service asks to go slower', async () => {
  for (const [error, first] of [
    [away, 100],
    [slow, 500],
  ] as const) {
    const { options, pauses, clock } = bench();
    const failing = withRetries(() => Promise.reject(error()), options, signal);
    expect(await codeOf(through(clock, failing))).toBe(error().code);
    expect(pauses).toEqual(Array.from({ length: 9 }, (_, n) => Math.min(20_000, first * 2 ** n)));
  }
});

test('pauses are spread at random', async () => {
  const { options, pauses, clock } = bench(3, 0.25);
  await codeOf(
    through(
      clock,
      withRetries(() => Promise.reject(away()), options, signal),
    ),
  );
  expect(pauses).toEqual([25, 50]);
});

test('what may not pass is not tried again, an abort ends the pause', async () => {
  const { options, pauses } = bench();
  let tries = 0;
  const forbidden = withRetries(
    () => {
      tries += 1;
      return Promise.reject(new TowError('store-forbidden', 'no'));
    },
    options,
    signal,
  );
  expect([await codeOf(forbidden), tries, pauses]).toEqual(['store-forbidden', 1, []]);
  const abort = new AbortController();
  const waiting = withRetries(() => Promise.reject(away()), bench().options, abort.signal);
  await setImmediate();
  abort.abort();
  expect(await codeOf(waiting)).toBe('cancelled');
});

test('a body goes on at the byte where it broke, and asks for the same version', async () => {
  const store = new MemoryStore();
  const content = new Random(1).bytes(300_000);
  store.set('a', content);
  const breaks = [70_000, 1, 100_000];
  store.breakAt = () => breaks.shift();
  const { options, clock } = bench();
  const body = await retrying(store, options).get('a', {}, signal);
  expect((await through(clock, bytesOf(body))).equals(content)).toBe(true);
  expect(store.calls.map(({ start }) => start)).toEqual([undefined, 70_000, 70_001, 170_001]);
});

test('a range goes on inside itself', async () => {
  const store = new MemoryStore();
  const content = new Random(2).bytes(200_000);
  store.set('a', content);
  const breaks = [10, undefined];
  store.breakAt = () => breaks.shift();
  const { options, clock } = bench();
  const body = await retrying(store, options).get('a', { range: { start: 1000, end: 150_000 } }, signal);
  expect((await through(clock, bytesOf(body))).equals(content.subarray(1000, 150_000))).toBe(true);
  expect(store.calls.map(({ start }) => start)).toEqual([1000, 1010]);
});

test('a body of an object that is replaced meanwhile does not go on', async () => {
  const store = new MemoryStore();
  store.set('a', Buffer.alloc(200_000));
  store.breakAt = () => 100_000;
  const { options, clock } = bench();
  const body = await retrying(store, options).get('a', {}, signal);
  store.set('a', Buffer.alloc(200_000, 1));
  expect(await codeOf(through(clock, bytesOf(body)))).toBe('object-changed');
});

test('a body that gets nowhere is given up, one that gets on by a MiB each time is not', async () => {
  const store = new MemoryStore();
  store.set('a', Buffer.alloc(30 << 20));
  const { options, clock } = bench(4);
  store.breakAt = () => 1000;
  const stuck = await retrying(store, options).get('a', {}, signal);
  expect(await codeOf(through(clock, bytesOf(stuck)))).toBe('store-unreachable');
  store.breakAt = ({ start = 0 }) => ((30 << 20) - start > 2 << 20 ? 2 << 20 : undefined);
  const moving = await retrying(store, options).get('a', {}, signal);
  expect((await through(clock, bytesOf(moving))).length).toBe(30 << 20);
});

test.each([
  ['absent', { type: 'absent' } as const],
  ['version', undefined],
])('a conditional put whose answer was lost has been done (%s)', async (_, given) => {
  const store = new MemoryStore();
  const condition = given ?? ({ type: 'version', version: store.set('a', 'old').version } as const);
  const { options, clock } = bench();
  let lost = false;
  const losing = new Proxy(store, {
    get(target, name) {
      if (name !== 'put') {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (...args: Parameters<MemoryStore['put']>) => {
        const stat = await target.put(...args);
        if (lost) return stat;
        lost = true;
        throw away();
      };
    },
  });
  const put = retrying(losing, options).put('a', Buffer.from('new'), { condition }, signal);
  expect((await through(clock, put)).version).toBe((await store.head('a', signal))?.version);
  expect(store.bytesOf('a').toString()).toBe('new');
});

test('a conditional put that lost its answer and then the race is refused, even for one of the same size', async () => {
  const store = new MemoryStore();
  const { options, clock } = bench();
  let calls = 0;
  store.before = ({ method }) => {
    if (method !== 'put') return;
    calls += 1;
    if (calls > 1) return;
    store.set('a', 'xyz');
    throw away();
  };
  const put = retrying(store, options).put('a', Buffer.from('new'), { condition: { type: 'absent' } }, signal);
  expect(await codeOf(through(clock, put))).toBe('object-changed');
  expect(store.bytesOf('a').toString()).toBe('xyz');
});

test('a conditional put that is refused at once is not ours, whatever lies there', async () => {
  const store = new MemoryStore();
  store.set('a', 'new');
  const { options } = bench();
  const put = retrying(store, options).put('a', Buffer.from('new'), { condition: { type: 'absent' } }, signal);
  expect(await codeOf(put)).toBe('object-changed');
});
