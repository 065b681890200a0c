/** What link.ts promises, over a real unix socket. */
import { expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import { linkPair, never, type TestMethods } from '../helpers/link-pair.ts';

const handlers: Handlers<TestMethods> = {
  echo: async ({ text }, { emit }) => {
    if (text === 'boom') throw new TowError('no-space', 'full', { hint: 'free some', cause: new Error('deep') });
    emit(1);
    emit(2);
    return { text };
  },
  pour: async ({ frames, bytes }, { send }) => {
    for (let n = 0; n < frames; n += 1) await send(Buffer.alloc(bytes - 1, n), Buffer.of(255));
    return {};
  },
  hang: (_params, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
};

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof TowError ? error.code : String(error)),
  );
}

test('a call has its events in order and one result, both ways', async () => {
  await using pair = await linkPair({ handlers });
  for (const link of [pair.agent, pair.controller]) {
    const events: number[] = [];
    const result = await link.call('echo', { text: 'hé\0' }, { onEvent: (event) => events.push(event) }, never);
    expect([result, events]).toEqual([{ text: 'hé\0' }, [1, 2]]);
  }
  expect([pair.agent.peer.build, pair.controller.peer.build, pair.controller.peer.keyId]).toEqual(['b2', 'b1', 'key']);
});

test('an error keeps code, message, hint and causes', async () => {
  await using pair = await linkPair({ handlers });
  const error = await pair.agent.call('echo', { text: 'boom' }, {}, never).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'no-space', message: 'full', hint: 'free some', cause: { message: 'deep' } });
});

test('a stream arrives whole and in order, however slow the receiver is', async () => {
  await using pair = await linkPair({ handlers });
  const firsts: number[] = [];
  let bytes = 0;
  const onData = async (payload: Buffer): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    firsts.push(payload[0] ?? -1);
    bytes += payload.length;
  };
  await pair.controller.call('pour', { frames: 200, bytes: 100_000 }, { onData, windowBytes: 1 << 20 }, never);
  expect(bytes).toBe(20_000_000);
  expect(firsts).toEqual(Array.from({ length: 200 }, (_, n) => n % 256));
});

test('a stalled receiver makes the sender wait: no more than the window is under way', async () => {
  await using pair = await linkPair({ handlers });
  let release: () => void = () => undefined;
  const stalled = new Promise<void>((resolve) => {
    release = resolve;
  });
  const before = pair.agent.bytesSent;
  const call = pair.controller.call(
    'pour',
    { frames: 1024, bytes: 1 << 20 },
    { onData: () => stalled, windowBytes: 4 << 20 },
    never,
  );
  // Control messages still go to and fro meanwhile, and give the sender all the turns it needs to send too much.
  for (let n = 0; n < 200; n += 1) await pair.controller.call('echo', { text: 'x' }, {}, never);
  expect(pair.agent.bytesSent - before).toBeLessThan(6 << 20);
  expect(pair.sockets.agent.bufferedAmount).toBeLessThan(2 << 20);
  pair.controller.close(new Error('enough'));
  release();
  expect(await codeOf(call)).toBe('link-lost');
});

test('cancel ends the call once the peer has acknowledged', async () => {
  await using pair = await linkPair({ handlers });
  const abort = new AbortController();
  const call = pair.agent.call('hang', {}, {}, abort.signal);
  await pair.agent.call('echo', { text: '' }, {}, never);
  abort.abort();
  expect(await codeOf(call)).toBe('cancelled');
});

test('what onData throws cancels the call and is its error', async () => {
  await using pair = await linkPair({ handlers });
  const onData = (): void => {
    throw new TowError('no-space', 'disk full');
  };
  expect(await codeOf(pair.agent.call('pour', { frames: 1000, bytes: 1000 }, { onData }, never))).toBe('no-space');
  expect((await pair.agent.call('echo', { text: 'still here' }, {}, never)).text).toBe('still here');
});

test('a lost link fails all calls and aborts handlers', async () => {
  await using pair = await linkPair({ handlers });
  const call = pair.agent.call('hang', {}, {}, never);
  await pair.agent.call('echo', { text: '' }, {}, never);
  pair.sockets.controller.terminate();
  expect(await codeOf(call)).toBe('link-lost');
  await pair.controller.closed;
  expect(await codeOf(pair.controller.call('echo', { text: '' }, {}, never))).toBe('link-lost');
});

test('a wrong secret and an unknown key look the same', async () => {
  const errors = await Promise.all([
    linkPair({ handlers, agentSecret: Buffer.alloc(32, 8) }).catch((error: unknown) => error),
    linkPair({ handlers, agentKey: 'nobody' }).catch((error: unknown) => error),
  ]);
  expect(errors.map((error) => (error instanceof TowError ? [error.code, error.message] : error))[0]).toEqual(
    errors.map((error) => (error instanceof TowError ? [error.code, error.message] : error))[1],
  );
  expect(errors[0]).toMatchObject({ code: 'unauthenticated' });
});

test.each([
  Buffer.alloc(0),
  Buffer.of(1),
  Buffer.of(1, 0xc1),
  Buffer.of(2, 1, 0, 0, 0),
  Buffer.alloc(100, 2),
  Buffer.alloc(1 << 20, 1),
  Buffer.of(9),
])('garbage closes the link and nothing else (%#)', async (garbage) => {
  await using pair = await linkPair({ handlers });
  const call = pair.agent.call('hang', {}, {}, never);
  pair.sockets.agent.send(garbage);
  expect(await codeOf(call)).toBe('link-lost');
  await pair.controller.closed;
});

test('an unknown method and malformed parameters are errors of the call', async () => {
  await using pair = await linkPair({ handlers: { ...handlers, echo: undefined as never } });
  expect(await codeOf(pair.agent.call('echo', { text: '' }, {}, never))).toBe('not-supported');
  expect(await codeOf(pair.agent.call('pour', { frames: 'x' as never, bytes: 1 }, {}, never))).toBe('bad-message');
});
