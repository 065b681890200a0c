/** Who gets in, what is said before, and what a man in the middle achieves. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import type { Clock } from '../../../protocol/base/clock.ts';
import { checkVersions } from '../../../protocol/link/check-versions.ts';
import { dialHandshake, listenHandshake } from '../../../protocol/link/handshake.ts';
import { handshakeTimeoutMs } from '../../../protocol/link/handshake-wire.ts';
import { buildMac, proofMac } from '../../../protocol/link/proof.ts';
import { messageBytes } from '../../../protocol/link/socket.ts';
import { decodeMessage, encodeMessage } from '../../../protocol/wire/codec.ts';
import { type HandshakeMessage, handshakeSchema, nonceBytes } from '../../../protocol/wire/hello.ts';
import { limits } from '../../../protocol/wire/limits.ts';
import { wireBytes } from '../../../protocol/wire/schema.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { never, secret, secretOf } from '../../helpers/link-pair.ts';
import { socketPair } from '../../helpers/socket-pair.ts';
import { VirtualClock } from '../../helpers/virtual-clock.ts';

const dial = (socket: WebSocket, keyId = 'key', signal = never) =>
  dialHandshake(socket, { keyId, secret, build: 'agent-build' }, signal);
const listen = (socket: WebSocket, signal = never, clock?: Clock) =>
  listenHandshake(socket, { secretOf, build: 'controller-build', ...(clock === undefined ? {} : { clock }) }, signal);

/** Every handshake message that a socket gets, in order. */
function heardBy(socket: WebSocket): Promise<HandshakeMessage[]> {
  const heard: HandshakeMessage[] = [];
  socket.on('message', (data, isBinary) =>
    heard.push(decodeMessage(handshakeSchema, messageBytes(data, isBinary) ?? Buffer.alloc(0), 'heard')),
  );
  return new Promise((resolve) => socket.on('close', () => resolve(heard)));
}

function hello(changes: object = {}): object {
  return { type: 'hello', version: 1, minVersion: 1, capabilities: [], nonce: Buffer.alloc(nonceBytes, 1), ...changes };
}

type Meddle = (bytes: Buffer, from: 'dialler' | 'listener') => Buffer | undefined;

/** Both sides' outcomes with somebody in between who changes, drops or keeps what they say. */
async function throughMiddle(meddle: Meddle): Promise<readonly [dialler: string, listener: string]> {
  await using left = await socketPair();
  await using right = await socketPair();
  const pass = (from: WebSocket, to: WebSocket, name: 'dialler' | 'listener'): void => {
    from.on('message', (data, isBinary) => {
      const bytes = meddle(messageBytes(data, isBinary) ?? Buffer.alloc(0), name);
      if (bytes !== undefined) to.send(bytes);
    });
    from.on('close', () => to.close());
  };
  pass(left.listener, right.dialler, 'dialler');
  pass(right.dialler, left.listener, 'listener');
  return await Promise.all([codeOf(dial(left.dialler)), codeOf(listen(right.listener))]);
}

function changed(bytes: Buffer, type: HandshakeMessage['type'], change: (message: HandshakeMessage) => object): Buffer {
  const message = decodeMessage(handshakeSchema, bytes, 'passing');
  if (message.type !== type) return bytes;
  const binary = {
    ...('nonce' in message ? { nonce: wireBytes(message.nonce) } : {}),
    ...('mac' in message ? { mac: wireBytes(message.mac) } : {}),
  };
  return encodeMessage({ ...message, ...binary, ...change(message) });
}

test('both sides learn who the other is', async () => {
  await using pair = await socketPair();
  const [agent, controller] = await Promise.all([listen(pair.listener), dial(pair.dialler)]);
  expect(agent.result).toMatchObject({ keyId: 'key', version: 1, build: 'agent-build' });
  expect(controller.result).toMatchObject({ keyId: 'key', version: 1, build: 'controller-build' });
});

test('a peer that knows no secret learns versions, capabilities and a nonce, and then one word', async () => {
  await using pair = await socketPair();
  const heard = heardBy(pair.dialler);
  const outcome = codeOf(listen(pair.listener));
  pair.dialler.send(encodeMessage(hello({ keyId: 'key' })));
  pair.dialler.send(encodeMessage({ type: 'proof', mac: Buffer.alloc(32) }));
  expect(await outcome).toBe('unauthenticated');
  const messages = await heard;
  expect(messages.map((message) => Object.keys(message).sort())).toEqual([
    ['capabilities', 'minVersion', 'nonce', 'type', 'version'],
    ['code', 'type'],
  ]);
  expect(messages[1]).toEqual({ type: 'refused', code: 'unauthenticated' });
});

test('of a failure of our own a stranger hears nothing', async () => {
  await using pair = await socketPair();
  const heard = heardBy(pair.dialler);
  const fail = (): never => {
    throw new Error('/home/me/secrets cannot be read');
  };
  const outcome = codeOf(listenHandshake(pair.listener, { secretOf: fail, build: 'b' }, never));
  pair.dialler.send(encodeMessage(hello({ keyId: 'key' })));
  expect(await outcome).toContain('/home/me/secrets');
  expect((await heard).at(-1)).toEqual({ type: 'refused', code: 'link-lost' });
});

test('the MACs are what PROTOCOL.md says', () => {
  const hellos = [Buffer.from('dialler hello'), Buffer.from('listener hello')] as const;
  expect(proofMac(secret, 'dialler', hellos).toString('hex')).toBe(
    '846094df6b36721ca5bf9ce760ce50ee094a5fb7d8d094fffce2d358c229c2b2',
  );
  expect(proofMac(secret, 'listener', hellos).toString('hex')).toBe(
    'a7ff58e55904d4bdad2f432d09cf9283dda59af7957611c748496093cdb12156',
  );
  expect(buildMac(secret, 'dialler', hellos, 'b1').toString('hex')).toBe(
    '2be650ac80b40a676bc247affc7bfd11d9708b88f3228bf99569ed02b21b4083',
  );
  expect(buildMac(secret, 'listener', hellos, 'b1').toString('hex')).toBe(
    'd8b386913a696a6336665cf8525227a2dc5ea13e93569ca03a7849683489f82d',
  );
});

test('what a proof covers cannot move: no two splits of the same bytes agree', () => {
  const one = proofMac(secret, 'dialler', [Buffer.from('ab'), Buffer.from('c')]);
  const other = proofMac(secret, 'dialler', [Buffer.from('a'), Buffer.from('bc')]);
  expect(one.equals(other)).toBe(false);
});

test('left alone, a middle changes nothing', async () => {
  expect(await throughMiddle((bytes) => bytes)).toEqual(['no error', 'no error']);
});

test.each([
  ['the version', { version: 2 }],
  ['the minimum version', { minVersion: 1, version: 3 }],
  ['the capabilities', { capabilities: [] }],
  ['the nonce', { nonce: Buffer.alloc(nonceBytes) }],
] as const)('%s cannot be changed on the way, in either direction', async (_what, change) => {
  for (const side of ['dialler', 'listener'] as const) {
    const codes = await throughMiddle((bytes, from) => (from === side ? changed(bytes, 'hello', () => change) : bytes));
    expect(codes).toEqual(['unauthenticated', 'unauthenticated']);
  }
});

test('a build cannot be changed on the way', async () => {
  const [dialler] = await throughMiddle((bytes, from) =>
    from === 'listener' ? changed(bytes, 'welcome', () => ({ build: 'evil' })) : bytes,
  );
  expect(dialler).toBe('unauthenticated');
  const [, listener] = await throughMiddle((bytes, from) =>
    from === 'dialler' ? changed(bytes, 'welcome', () => ({ build: 'evil' })) : bytes,
  );
  expect(listener).toBe('unauthenticated');
});

test('a side cannot be made to prove itself to itself', async () => {
  // The middle answers the dialler with its own messages.
  await using pair = await socketPair();
  const outcome = codeOf(dial(pair.dialler));
  pair.listener.on('message', (data, isBinary) => {
    const bytes = messageBytes(data, isBinary) ?? Buffer.alloc(0);
    pair.listener.send(bytes);
  });
  expect(await outcome).toBe('unauthenticated');
});

test('a proof of one handshake is worth nothing in another', async () => {
  const kept: Buffer[] = [];
  await throughMiddle((bytes, from) => {
    if (from === 'dialler') kept.push(bytes);
    return bytes;
  });
  await using pair = await socketPair();
  const outcome = codeOf(listen(pair.listener));
  for (const bytes of kept) pair.dialler.send(bytes);
  expect([kept.length, await outcome]).toEqual([3, 'unauthenticated']);
});

test('the listener proves nothing to a peer that has not', async () => {
  await using pair = await socketPair();
  const heard = heardBy(pair.dialler);
  const outcome = codeOf(listen(pair.listener));
  pair.dialler.send(encodeMessage(hello({ keyId: 'key' })));
  pair.dialler.send(encodeMessage({ type: 'welcome', build: 'b', mac: Buffer.alloc(32) }));
  expect(await outcome).toBe('bad-message');
  expect((await heard).map(({ type }) => type)).toEqual(['hello', 'refused']);
});

const malformed: readonly (readonly [string, string | Buffer])[] = [
  ['text', 'hello'],
  ['nothing', Buffer.alloc(0)],
  ['an unknown type', encodeMessage({ type: 'howdy' })],
  ['a proof first', encodeMessage({ type: 'proof', mac: Buffer.alloc(32) })],
  ['a short nonce', encodeMessage(hello({ nonce: Buffer.alloc(31) }))],
  ['a long nonce', encodeMessage(hello({ nonce: Buffer.alloc(33) }))],
  ['a nonce that is text', encodeMessage(hello({ nonce: 'x'.repeat(32) }))],
  ['version 0', encodeMessage(hello({ version: 0 }))],
  ['a key id with a slash', encodeMessage(hello({ keyId: '../x' }))],
  ['too many capabilities', encodeMessage(hello({ capabilities: Array.from({ length: 65 }, (_, n) => `c${n}`) }))],
  ['a message too long', Buffer.alloc(limits.handshakeFrameBytes + 1, 0x90)],
];

test.each(malformed)('%s is refused as a bad message', async (_what, message) => {
  await using pair = await socketPair();
  const heard = heardBy(pair.dialler);
  const outcome = codeOf(listen(pair.listener));
  pair.dialler.send(message);
  expect(await outcome).toBe('bad-message');
  expect((await heard).at(-1)).toEqual({ type: 'refused', code: 'bad-message' });
});

test('fields that a later version adds to its hello are let pass, and covered', async () => {
  await using pair = await socketPair();
  const accepted = listen(pair.listener);
  const ours = encodeMessage(hello({ keyId: 'key', version: 9, colour: 'green' }));
  const theirs = new Promise<Buffer>((resolve) => {
    pair.dialler.once('message', (data, isBinary) => resolve(messageBytes(data, isBinary) ?? Buffer.alloc(0)));
  });
  pair.dialler.send(ours);
  const transcript = [ours, await theirs] as const;
  pair.dialler.send(encodeMessage({ type: 'proof', mac: proofMac(secret, 'dialler', transcript) }));
  const mac = buildMac(secret, 'dialler', transcript, 'later');
  pair.dialler.send(encodeMessage({ type: 'welcome', build: 'later', mac }));
  expect((await accepted).result).toMatchObject({ version: 9, build: 'later' });
});

test('a peer without a proof cannot make us hold a long message', async () => {
  await using pair = await socketPair();
  const outcome = codeOf(listen(pair.listener));
  // Never finished: the first fragment of a message as long as an authenticated peer may send.
  let sent = 0;
  for (; sent < 200 && pair.dialler.readyState === pair.dialler.OPEN; sent += 1) {
    pair.dialler.send(Buffer.alloc(4096), { fin: false });
    await setImmediate();
  }
  expect(await outcome).toBe('link-lost');
  expect(sent * 4096).toBeLessThan(200_000);
});

test('a handshake has 10 s', async () => {
  const clock = new VirtualClock();
  await using pair = await socketPair();
  const outcome = listen(pair.listener, never, clock).catch((error: unknown) => error);
  pair.dialler.send(encodeMessage(hello({ keyId: 'key' })));
  await clock.advance(handshakeTimeoutMs - 1);
  expect(pair.listener.readyState).toBe(pair.listener.OPEN);
  await clock.advance(1);
  expect(await outcome).toMatchObject({ code: 'link-lost', message: expect.stringContaining('10 s') });
  expect(clock.sleeping).toBe(0);
});

test('a closed connection and a cancelled wait end it', async () => {
  const abort = new AbortController();
  await using cancelled = await socketPair();
  const outcome = codeOf(listen(cancelled.listener, abort.signal));
  abort.abort();
  expect(await outcome).toBe('cancelled');
  await using cut = await socketPair();
  const other = codeOf(listen(cut.listener));
  cut.dialler.terminate();
  expect(await other).toBe('link-lost');
  await using late = await socketPair();
  late.dialler.terminate();
  await new Promise((resolve) => late.listener.once('close', resolve));
  expect(await codeOf(listen(late.listener))).toBe('link-lost');
});

test.each([
  { peer: [1, 1], ours: [1, 1], says: undefined },
  { peer: [5, 2], ours: [2, 1], says: undefined },
  { peer: [2, 1], ours: [5, 2], says: undefined },
  { peer: [1, 1], ours: [5, 2], says: 'the agent is too old' },
  { peer: [5, 2], ours: [1, 1], says: 'the agent is too new' },
])('versions $peer against $ours', ({ peer: [version = 0, minVersion = 0], ours: [our = 0, ourMin = 0], says }) => {
  const check = (who: 'agent' | 'controller') => (): void =>
    checkVersions({ version, minVersion }, who, { version: our, minVersion: ourMin });
  if (says === undefined) expect(check('agent')).not.toThrow();
  else {
    const upgradesAgents = says.endsWith('old');
    expect(check('agent')).toThrow(
      expect.objectContaining({
        code: 'version-mismatch',
        message: expect.stringContaining(says),
        hint: expect.stringContaining(upgradesAgents ? 'upgrades its agents' : 'upgrade Towline'),
      }),
    );
    expect(check('controller')).toThrow(
      expect.objectContaining({
        hint: expect.stringContaining(upgradesAgents ? 'upgrade Towline' : 'upgrades its agents'),
      }),
    );
  }
});

test('a peer of another version is told so by code, and tells it apart itself', async () => {
  await using pair = await socketPair();
  const heard = heardBy(pair.dialler);
  const outcome = codeOf(listen(pair.listener));
  pair.dialler.send(encodeMessage(hello({ version: 900, minVersion: 900, keyId: 'key' })));
  expect(await outcome).toBe('version-mismatch');
  expect((await heard).map(({ type }) => type)).toEqual(['hello', 'refused']);
});
