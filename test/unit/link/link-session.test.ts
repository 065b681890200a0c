/** A link against a peer that says what no real one would, or at another moment. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import type { Handlers } from '../../../protocol/link/link.ts';
import type { Envelope } from '../../../protocol/wire/envelope.ts';
import { limits } from '../../../protocol/wire/limits.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { never, type TestMethods } from '../../helpers/link-pair.ts';
import { type Heard, type RawPeer, rawPeer } from '../../helpers/raw-peer.ts';
import { VirtualClock } from '../../helpers/virtual-clock.ts';

const handlers: Handlers<TestMethods> = {
  echo: async ({ text }) => ({ text }),
  pour: async ({ frames, bytes }, { send }) => {
    for (let n = 0; n < frames; n += 1) await send(Buffer.alloc(bytes, n));
    return {};
  },
  hang: async (_params, { signal }) =>
    await new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(new Error('told')), { once: true }),
    ),
};

function echoCall(id: number, text = 'x'): Envelope {
  return { type: 'call', id, method: 'echo', params: { text }, window: 0 };
}

function about(heard: readonly Heard[], id: number): readonly string[] {
  return heard.flatMap((message) => ('id' in message && message.id === id ? [message.type] : []));
}

const completion = (id: number) => (message: Heard) =>
  (message.type === 'done' || message.type === 'failed') && message.id === id;

/** The link says why, and closes. */
async function expectRefusal(peer: RawPeer, code: string): Promise<void> {
  expect(await peer.link.closed).toMatchObject({ code });
  expect(await peer.hear((message) => message.type === 'bye')).toMatchObject({ error: { code } });
}

const badMessages: readonly (readonly [string, (peer: RawPeer) => void])[] = [
  ['a text message', ({ socket }) => socket.send('hello')],
  ['an empty message', ({ socket }) => socket.send(Buffer.alloc(0))],
  ['an unknown frame type', ({ socket }) => socket.send(Buffer.of(3, 0x80))],
  ['a control frame without a message', ({ socket }) => socket.send(Buffer.of(1))],
  ['a control frame with an extension', ({ socket }) => socket.send(Buffer.of(1, 0xd4, 0, 0))],
  ['a data frame cut off', ({ socket }) => socket.send(Buffer.of(2, 1, 0, 0, 0))],
  ['a data frame with a wrong check', ({ socket }) => socket.send(Buffer.alloc(20, 2))],
  ['an unknown message', ({ sayRaw }) => sayRaw({ type: 'shout', id: 1 })],
  ['a field of the wrong type', ({ sayRaw }) => sayRaw({ type: 'cancel', id: 'one' })],
  ['a call id of 0', ({ sayRaw }) => sayRaw(echoCall(0))],
  ['a call id beyond u32', ({ sayRaw }) => sayRaw(echoCall(2 ** 32))],
  ['the answer to a call never made', ({ say }) => say({ type: 'done', id: 1, result: {} })],
  ['data of a call never made', ({ pour }) => pour(1, Buffer.alloc(1))],
  ['cancel of a call never made', ({ say }) => say({ type: 'cancel', id: 1 })],
  ['credit beyond its limit', ({ sayRaw }) => sayRaw({ type: 'credit', id: 1, bytes: 2 ** 40 })],
  ['negative credit', ({ sayRaw }) => sayRaw({ type: 'credit', id: 1, bytes: -5 })],
  ['too large a window', ({ sayRaw }) => sayRaw({ ...echoCall(1), window: limits.streamWindowBytes + 1 })],
];

test.each(badMessages)('%s closes the link, which says so', async (_what, send) => {
  await using peer = await rawPeer(handlers);
  send(peer);
  await expectRefusal(peer, 'bad-message');
});

test('a call id that was used, or is out of order, closes the link', async () => {
  for (const ids of [
    [7, 7],
    [7, 6],
  ] as const) {
    await using peer = await rawPeer(handlers);
    for (const id of ids) peer.say(echoCall(id));
    await expectRefusal(peer, 'bad-message');
  }
});

test('a frame longer than any may be closes the link before it is taken', async () => {
  await using peer = await rawPeer(handlers);
  peer.socket.send(Buffer.alloc(limits.dataFrameBytes + 14, 1));
  expect(await peer.link.closed).toMatchObject({ code: 'limit-exceeded' });
  expect(peer.link.bytesReceived).toBeLessThan(1000);
});

test('more calls than may be under way close the link', async () => {
  await using peer = await rawPeer(handlers);
  for (let id = 1; id <= limits.callsUnderWay; id += 1)
    peer.say({ type: 'call', id, method: 'hang', params: {}, window: 0 });
  expect(await codeOf(peer.settled())).toBe('no error');
  peer.say(echoCall(limits.callsUnderWay + 1));
  await expectRefusal(peer, 'limit-exceeded');
});

test('our own calls beyond that fail, and the link goes on', async () => {
  await using peer = await rawPeer(handlers);
  const abort = new AbortController();
  const calls = Array.from({ length: limits.callsUnderWay }, () => peer.link.call('hang', {}, {}, abort.signal));
  expect(await codeOf(peer.link.call('hang', {}, {}, never))).toBe('limit-exceeded');
  peer.link.close(new Error('enough'));
  expect(new Set(await Promise.all(calls.map((call) => codeOf(call))))).toEqual(new Set(['link-lost']));
});

test('data without credit closes the link; the frame that overdraws it passes', async () => {
  await using peer = await rawPeer(handlers);
  const got: number[] = [];
  const onData = async (payload: Buffer): Promise<void> => {
    got.push(payload.length);
    await new Promise(() => undefined);
  };
  peer.link.call('pour', { frames: 1, bytes: 1 }, { onData, windowBytes: 1000 }, never).catch(() => undefined);
  peer.pour(1, Buffer.alloc(100));
  peer.pour(1, Buffer.alloc(5000));
  await peer.settled();
  expect(got).toEqual([100]);
  peer.pour(1, Buffer.alloc(0));
  await expectRefusal(peer, 'bad-message');
});

test('data of a method without a stream closes the link', async () => {
  await using peer = await rawPeer(handlers);
  peer.link.call('hang', {}, {}, never).catch(() => undefined);
  peer.pour(1, Buffer.alloc(0));
  await expectRefusal(peer, 'bad-message');
});

test('credit for more than was sent closes the link', async () => {
  await using peer = await rawPeer(handlers);
  peer.say({ type: 'call', id: 1, method: 'pour', params: { frames: 9, bytes: 100 }, window: 300 });
  // One frame costs 100 and the overhead: the credit is overdrawn after it.
  await peer.hear((message) => message.type === 'data');
  peer.say({ type: 'credit', id: 1, bytes: 100 + limits.dataFrameOverheadBytes });
  await peer.hear(() => about(peer.heard, 1).length === 2);
  peer.say({ type: 'credit', id: 1, bytes: 100 + limits.dataFrameOverheadBytes + 1 });
  await expectRefusal(peer, 'bad-message');
});

test('what crosses the end of a call is dropped', async () => {
  await using peer = await rawPeer(handlers);
  const answer = peer.link.call('pour', { frames: 1, bytes: 1 }, { onData: () => undefined }, never);
  peer.say({ type: 'done', id: 1, result: {} });
  await answer;
  peer.pour(1, Buffer.alloc(10));
  peer.say({ type: 'event', id: 1, body: 'whatever' });
  peer.say({ type: 'failed', id: 1, error: { code: 'io', message: '', causes: [], retryable: false } });
  peer.say(echoCall(1));
  await peer.hear(completion(1));
  peer.say({ type: 'cancel', id: 1 });
  peer.say({ type: 'credit', id: 1, bytes: 10 });
  peer.say(echoCall(2));
  expect(await peer.hear(completion(2))).toMatchObject({ type: 'done' });
});

test('a completion settles once the data before it was taken, also when the link is lost meanwhile', async () => {
  await using peer = await rawPeer(handlers);
  let release: () => void = () => undefined;
  const stalled = new Promise<void>((resolve) => {
    release = resolve;
  });
  const got: number[] = [];
  const onData = async (payload: Buffer): Promise<void> => {
    await stalled;
    got.push(payload.length);
  };
  const answer = peer.link.call('pour', { frames: 1, bytes: 1 }, { onData }, never);
  for (const length of [1, 2, 3]) peer.pour(1, Buffer.alloc(length));
  peer.say({ type: 'done', id: 1, result: {} });
  await peer.settled();
  peer.socket.terminate();
  await peer.link.closed;
  expect(got).toEqual([]);
  release();
  await answer;
  expect(got).toEqual([1, 2, 3]);
});

test('a handler that does not heed its signal completes later, once; the call waits for it', async () => {
  let release: () => void = () => undefined;
  const hang: Handlers<TestMethods>['hang'] = async () =>
    await new Promise((resolve) => {
      release = () => resolve({});
    });
  await using peer = await rawPeer({ ...handlers, hang });
  peer.say({ type: 'call', id: 1, method: 'hang', params: {}, window: 0 });
  for (let n = 0; n < 5; n += 1) peer.say({ type: 'cancel', id: 1 });
  expect(about(await peer.settled(), 1)).toEqual([]);
  release();
  expect(await peer.hear(completion(1))).toMatchObject({ error: { code: 'cancelled' } });
  peer.say({ type: 'cancel', id: 1 });
  expect(about(await peer.settled(), 1)).toEqual(['failed']);
});

test('cancel is sent once, and the call ends with the completion, whatever that is', async () => {
  const completions: readonly Envelope[] = [
    { type: 'done', id: 1, result: {} },
    { type: 'failed', id: 1, error: { code: 'cancelled', message: 'cancelled', causes: [], retryable: false } },
    { type: 'failed', id: 1, error: { code: 'io', message: 'broken', causes: [], retryable: false } },
  ];
  for (const message of completions) {
    await using peer = await rawPeer(handlers);
    const abort = new AbortController();
    let settled = false;
    const answer = codeOf(peer.link.call('hang', {}, {}, abort.signal)).finally(() => {
      settled = true;
    });
    abort.abort();
    expect(about(await peer.settled(), 1)).toEqual(['call', 'cancel']);
    expect(settled).toBe(false);
    peer.say(message);
    expect(await answer).toBe('cancelled');
  }
});

test('a call whose signal has aborted is not made', async () => {
  await using peer = await rawPeer(handlers);
  expect(await codeOf(peer.link.call('hang', {}, {}, AbortSignal.abort()))).toBe('cancelled');
  expect(about(await peer.settled(), 1)).toEqual([]);
});

test('what onEvent throws cancels the call and is its error; a malformed event closes the link', async () => {
  await using peer = await rawPeer(handlers);
  const onEvent = (): void => {
    throw new TowError('io', 'the terminal is gone');
  };
  const answer = codeOf(peer.link.call('echo', { text: '' }, { onEvent }, never));
  peer.say({ type: 'event', id: 1, body: 1 });
  peer.say({ type: 'event', id: 1, body: 2 });
  expect(about(await peer.settled(), 1)).toEqual(['call', 'cancel']);
  peer.say({ type: 'done', id: 1, result: { text: '' } });
  expect(await answer).toBe('io');

  const other = codeOf(peer.link.call('echo', { text: '' }, {}, never));
  peer.say({ type: 'event', id: 2, body: 'no number' });
  await expectRefusal(peer, 'bad-message');
  expect(await other).toBe('link-lost');
});

test('malformed parameters, unknown methods and malformed results are errors of the call alone', async () => {
  await using peer = await rawPeer(handlers);
  const names = ['echo', 'nothing', 'toString', '__proto__'];
  names.forEach((method, at) => peer.say({ type: 'call', id: at + 1, method, params: { text: 5 }, window: 0 }));
  const codes: unknown[] = [];
  for (const at of names.keys()) codes.push(await peer.hear(completion(at + 1)));
  expect(codes).toMatchObject(
    ['bad-message', 'not-supported', 'not-supported', 'not-supported'].map((code) => ({ error: { code } })),
  );
  const answer = codeOf(peer.link.call('echo', { text: '' }, {}, never));
  peer.say({ type: 'done', id: 1, result: { text: 1 } });
  expect(await answer).toBe('bad-message');
  await peer.settled();
});

test('what does not fit a control message is an error of its call alone', async () => {
  const long = 'x'.repeat(limits.controlFrameBytes);
  const echo: Handlers<TestMethods>['echo'] = async ({ text }) => {
    if (text === 'throw') throw new TowError('io', long, { hint: long, cause: new Error(long) });
    return { text: long };
  };
  await using peer = await rawPeer({ ...handlers, echo });
  peer.say(echoCall(1));
  expect(await peer.hear(completion(1))).toMatchObject({ error: { code: 'limit-exceeded' } });
  peer.say(echoCall(2, 'throw'));
  expect(await peer.hear(completion(2))).toMatchObject({ error: { code: 'io' } });
  expect(await codeOf(peer.link.call('echo', { text: long }, {}, never))).toBe('limit-exceeded');
  await peer.settled();
});

test('nothing follows a completion: late events go nowhere, late data is an error of its sender', async () => {
  const late: Promise<string>[] = [];
  let emitLate: () => void = () => undefined;
  const pour: Handlers<TestMethods>['pour'] = async (_params, { send }) => {
    await send(Buffer.of(1));
    late.push(setImmediate().then(() => codeOf(send(Buffer.of(2)))));
    return {};
  };
  const echo: Handlers<TestMethods>['echo'] = async ({ text }, { emit }) => {
    emitLate = () => emit(1);
    return { text };
  };
  await using peer = await rawPeer({ ...handlers, pour, echo });
  peer.say({ type: 'call', id: 1, method: 'pour', params: { frames: 1, bytes: 1 }, window: 1000 });
  peer.say(echoCall(2));
  await peer.hear(completion(1));
  await peer.hear(completion(2));
  expect(await Promise.all(late)).toEqual(['cancelled']);
  emitLate();
  const heard = await peer.settled();
  expect([about(heard, 1), about(heard, 2)]).toEqual([['data', 'done'], ['done']]);
});

test('frames sent at once go in order, one longer than the window too; too long a one is an error', async () => {
  const codes: string[] = [];
  const pour: Handlers<TestMethods>['pour'] = async (_params, { send }) => {
    await Promise.all([3000, 1, 2000].map((bytes) => send(Buffer.alloc(bytes))));
    codes.push(await codeOf(send(Buffer.alloc(limits.dataFrameBytes), Buffer.of(1))));
    return {};
  };
  await using peer = await rawPeer({ ...handlers, pour });
  peer.say({ type: 'call', id: 1, method: 'pour', params: { frames: 1, bytes: 1 }, window: 600 });
  peer.say({ type: 'credit', id: 1, bytes: 0 });
  await peer.hear((message) => message.type === 'data');
  expect(about(await peer.settled(), 1)).toEqual(['data']);
  peer.say({ type: 'credit', id: 1, bytes: 3000 + limits.dataFrameOverheadBytes });
  await peer.hear((message) => message.type === 'data' && message.bytes === 1);
  peer.say({ type: 'credit', id: 1, bytes: 1 + limits.dataFrameOverheadBytes });
  await peer.hear(completion(1));
  expect(peer.heard.flatMap((message) => (message.type === 'data' ? [message.bytes] : []))).toEqual([3000, 1, 2000]);
  expect(codes).toEqual(['limit-exceeded']);
});

test('a method without a stream cannot send', async () => {
  const hang: Handlers<TestMethods>['hang'] = async (_params, { send }) => {
    await send(Buffer.of(1));
    return {};
  };
  await using peer = await rawPeer({ ...handlers, hang });
  peer.say({ type: 'call', id: 1, method: 'hang', params: {}, window: 1000 });
  expect(await peer.hear(completion(1))).toMatchObject({ error: { code: 'internal' } });
});

test('streams take turns, and control goes ahead of both', async () => {
  await using peer = await rawPeer(handlers);
  const bytes = 200_000;
  for (const id of [1, 2])
    peer.say({ type: 'call', id, method: 'pour', params: { frames: 50, bytes }, window: limits.streamWindowBytes });
  peer.say(echoCall(3));
  await peer.hear(completion(1));
  await peer.hear(completion(2));
  const order = peer.heard.flatMap((message) => ('id' in message ? [message] : []));
  const answered = order.findIndex(({ id }) => id === 3);
  expect(answered).toBeLessThan(8);
  let lead = 0;
  for (const { id } of order.slice(0, 60)) {
    lead += id === 1 ? 1 : id === 2 ? -1 : 0;
    expect(Math.abs(lead)).toBeLessThan(8);
  }
});

test('a peer that asks and never reads is cut off before what waits for it grows', async () => {
  await using peer = await rawPeer(handlers);
  peer.socket.pause();
  const text = 'x'.repeat(500_000);
  for (let id = 1; id < 100; id += 1) {
    if (peer.socket.readyState === peer.socket.OPEN) peer.say(echoCall(id, text));
    await setImmediate();
  }
  expect(await peer.link.closed).toMatchObject({ code: 'limit-exceeded' });
});

test('a silent peer is given up after 20 s, one that says anything is not', async () => {
  const clock = new VirtualClock();
  await using peer = await rawPeer(handlers, clock);
  for (let n = 0; n < 10; n += 1) {
    peer.say({ type: 'pong', stamp: 0 });
    await peer.settled();
    await clock.advance(10_000);
  }
  await clock.advance(20_000);
  expect(await peer.link.closed).toMatchObject({ code: 'link-lost', message: expect.stringContaining('20 s') });
  expect(clock.sleeping).toBe(0);
});
