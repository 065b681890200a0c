/** What link.ts promises, over everything that carries links. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import { codeOf } from '../helpers/code-of.ts';
import { linkPair, never, type PairOptions, type TestMethods } from '../helpers/link-pair.ts';
import { transports } from '../helpers/socket-pair.ts';

const mib = 1 << 20;

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

describe.each(transports)('over %s', (transport) => {
  const pairOf = async (options: Partial<PairOptions> = {}) => await linkPair({ handlers, transport, ...options });

  test('a call has its events in order and one result, both ways', async () => {
    await using pair = await pairOf();
    for (const link of [pair.agent, pair.controller]) {
      const events: number[] = [];
      const result = await link.call('echo', { text: 'hé\0' }, { onEvent: (event) => events.push(event) }, never);
      expect([result, events]).toEqual([{ text: 'hé\0' }, [1, 2]]);
    }
    const { agent, controller } = pair;
    expect([agent.peer.build, controller.peer.build, controller.peer.keyId]).toEqual(['b2', 'b1', 'key']);
  });

  test('an error keeps code, message, hint and causes', async () => {
    await using pair = await pairOf();
    const error = await pair.agent.call('echo', { text: 'boom' }, {}, never).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'no-space', message: 'full', hint: 'free some', cause: { message: 'deep' } });
  });

  test('hundreds of calls at once have each its own answer', async () => {
    await using pair = await pairOf();
    const texts = Array.from({ length: 200 }, (_, n) => String(n).repeat(n));
    const answers = await Promise.all(texts.map((text) => pair.controller.call('echo', { text }, {}, never)));
    expect(answers.map(({ text }) => text)).toEqual(texts);
  });

  test('a stream arrives whole and in order, however slow the receiver is', async () => {
    await using pair = await pairOf();
    const frames = 150;
    const bytes = 70_000;
    const got: Buffer[] = [];
    const onData = async (payload: Buffer): Promise<void> => {
      await setImmediate();
      got.push(payload);
    };
    await pair.controller.call('pour', { frames, bytes }, { onData, windowBytes: mib }, never);
    const sent = Array.from({ length: frames }, (_, n) => Buffer.concat([Buffer.alloc(bytes - 1, n), Buffer.of(255)]));
    expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
    expect(got.length).toBe(frames);
  });

  test('a receiver that takes nothing makes the sender wait: a window is under way, of the 1 GiB that is due', async () => {
    await using pair = await pairOf();
    let release: () => void = () => undefined;
    const stalled = new Promise<void>((resolve) => {
      release = resolve;
    });
    const before = pair.agent.bytesSent;
    const options = { onData: () => stalled, windowBytes: 4 * mib };
    const call = pair.controller.call('pour', { frames: 1024, bytes: mib }, options, never);
    // Control messages still go to and fro meanwhile, and give the sender all the turns it needs to send too much.
    for (let n = 0; n < 200; n += 1) await pair.controller.call('echo', { text: 'x' }, {}, never);
    expect(pair.agent.bytesSent - before).toBeGreaterThan(3 * mib);
    expect(pair.agent.bytesSent - before).toBeLessThan(6 * mib);
    pair.controller.close(new Error('enough'));
    release();
    expect(await codeOf(call)).toBe('link-lost');
  });

  test('a peer that does not read makes the sender wait, however much credit it gave', async () => {
    await using pair = await pairOf();
    let bytes = 0;
    const onData = (payload: Buffer): void => {
      bytes += payload.length;
    };
    const options = { onData, windowBytes: 64 * mib };
    const calls = Array.from({ length: 8 }, () =>
      pair.controller.call('pour', { frames: 6, bytes: mib }, options, never),
    );
    await pair.controller.call('echo', { text: 'x' }, {}, never);
    pair.sockets.controller.pause();
    for (let n = 0; n < 2000; n += 1) await setImmediate();
    // One MiB or one frame of all streams together is in ws, or in the stream below it.
    expect(pair.sockets.agent.bufferedAmount).toBeLessThan(2.5 * mib);
    pair.sockets.controller.resume();
    await Promise.all(calls);
    expect(bytes).toBe(48 * mib);
  });

  test('cancel ends the call once the peer has acknowledged', async () => {
    await using pair = await pairOf();
    const abort = new AbortController();
    const call = pair.agent.call('hang', {}, {}, abort.signal);
    await pair.agent.call('echo', { text: '' }, {}, never);
    abort.abort();
    expect(await codeOf(call)).toBe('cancelled');
  });

  test('cancel in the middle of a stream: no more data is taken, and the link goes on', async () => {
    await using pair = await pairOf();
    const abort = new AbortController();
    let after = 0;
    const onData = (): void => {
      if (abort.signal.aborted) after += 1;
      else abort.abort();
    };
    const call = pair.agent.call('pour', { frames: 10_000, bytes: 10_000 }, { onData }, abort.signal);
    expect([await codeOf(call), after]).toEqual(['cancelled', 0]);
    expect((await pair.agent.call('echo', { text: 'still here' }, {}, never)).text).toBe('still here');
  });

  test('what onData throws cancels the call and is its error', async () => {
    await using pair = await pairOf();
    const onData = (): void => {
      throw new TowError('no-space', 'disk full');
    };
    expect(await codeOf(pair.agent.call('pour', { frames: 1000, bytes: 1000 }, { onData }, never))).toBe('no-space');
    expect((await pair.agent.call('echo', { text: 'still here' }, {}, never)).text).toBe('still here');
  });

  test('a lost link fails all calls and aborts handlers', async () => {
    let aborted: (reason: unknown) => void = () => undefined;
    const told = new Promise((resolve) => {
      aborted = resolve;
    });
    const hang: Handlers<TestMethods>['hang'] = async (_params, { signal }) =>
      await new Promise((resolve) => signal.addEventListener('abort', () => resolve({}), { once: true })).then(() => {
        aborted(signal.reason);
        return {};
      });
    await using pair = await pairOf({ handlers: { ...handlers, hang } });
    const call = pair.agent.call('hang', {}, {}, never);
    const pour = pair.agent.call('pour', { frames: 10_000, bytes: mib }, { onData: () => undefined }, never);
    await pair.agent.call('echo', { text: '' }, {}, never);
    pair.sockets.controller.terminate();
    expect([await codeOf(call), await codeOf(pour)]).toEqual(['link-lost', 'link-lost']);
    expect(await told).toMatchObject({ code: 'link-lost' });
    await pair.controller.closed;
    expect(await codeOf(pair.controller.call('echo', { text: '' }, {}, never))).toBe('link-lost');
  });

  test('close says why to the other side', async () => {
    await using pair = await pairOf();
    pair.controller.close(new TowError('node-taken', 'another one came'));
    expect(await pair.agent.closed).toMatchObject({ code: 'node-taken', message: 'another one came' });
  });

  test('a wrong secret and an unknown key look the same', async () => {
    const errors: unknown[] = [];
    for (const options of [{ agentSecret: Buffer.alloc(32, 8) }, { agentKey: 'nobody' }])
      errors.push(await pairOf(options).catch((error: unknown) => error));
    const [wrong, unknown] = errors.map((error) => (error instanceof TowError ? [error.code, error.message] : error));
    expect(wrong).toEqual(unknown);
    expect(errors[0]).toMatchObject({ code: 'unauthenticated' });
  });
});
