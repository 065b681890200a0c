/**
 * Whatever bytes a peer sends, before or after it has proved who it is: nothing crashes or hangs, decoders throw
 * `TowError` alone, and what is not a message of the protocol closes the link.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { decodeFrame, encodeControlFrame } from '../../protocol/link/frame.ts';
import { listenHandshake } from '../../protocol/link/handshake.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import { checkMsgpack } from '../../protocol/wire/check-msgpack.ts';
import { decodeMessage, encodeMessage } from '../../protocol/wire/codec.ts';
import { envelopeSchema } from '../../protocol/wire/envelope.ts';
import { handshakeSchema } from '../../protocol/wire/hello.ts';
import { agentMethods, controllerMethods } from '../../protocol/wire/methods.ts';
import { codeOf } from '../helpers/code-of.ts';
import { encodeDataFrame } from '../helpers/data-frame.ts';
import { never, secretOf, type TestMethods } from '../helpers/link-pair.ts';
import { rawPeer } from '../helpers/raw-peer.ts';
import { socketPair } from '../helpers/socket-pair.ts';

const id = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer(), fc.double());
const junk = fc.oneof(fc.anything(), fc.string(), fc.integer(), fc.uint8Array());

const envelope = fc.oneof(
  fc.record({ type: fc.constant('call'), id, method: fc.constantFrom('echo', 'pour', 'x'), params: junk, window: id }),
  fc.record({ type: fc.constantFrom('done', 'event', 'failed', 'cancel'), id, result: junk, body: junk, error: junk }),
  fc.record({ type: fc.constantFrom('credit', 'ping', 'pong'), id, bytes: id, stamp: id }),
  fc.record({ type: junk }),
);

function encoded(value: unknown): Buffer {
  try {
    return encodeMessage(value);
  } catch {
    // What has no msgpack form cannot be sent.
    return Buffer.of(0xc0);
  }
}

/** Bytes of a message with a few of them changed, cut off or doubled. */
function mutated(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  return fc.tuple(bytes, edits, fc.option(fc.nat())).map(([original, changes, cut]) => {
    const copy = Buffer.from(original);
    for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value;
    return cut === null ? copy : copy.subarray(0, cut % (copy.length + 1));
  });
}

const frame = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([Buffer.of(1), bytes])),
  mutated(envelope.map((message) => encodeControlFrame(encoded(message)))),
  envelope.map((message) => encodeControlFrame(encoded(message))),
  mutated(fc.tuple(fc.nat(3), fc.uint8Array()).map(([call, payload]) => encodeDataFrame('data', call, [payload]))),
  fc.tuple(fc.nat(3), fc.uint8Array()).map(([call, payload]) => encodeDataFrame('data', call, [payload])),
);

function onlyTowErrors(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(TowError);
    expect(error instanceof TowError && ['bad-message', 'limit-exceeded'].includes(error.code)).toBe(true);
  }
}

test('decoders throw bad-message or limit-exceeded and nothing else', () => {
  const schemas = [
    envelopeSchema,
    handshakeSchema,
    ...Object.values({ ...agentMethods, ...controllerMethods }).flatMap((method) => [method.params, method.result]),
  ];
  fc.assert(
    fc.property(frame, junk, (bytes, value) => {
      onlyTowErrors(() => decodeFrame(bytes));
      for (const schema of schemas) {
        onlyTowErrors(() => decodeMessage(schema, bytes, 'fuzz'));
        onlyTowErrors(() => decodeMessage(schema, encoded(value), 'fuzz'));
      }
    }),
    { numRuns: 2000 },
  );
});

test('what we encode of plain data passes the check and comes back', () => {
  const plain = fc.jsonValue({ maxDepth: 6 });
  fc.assert(
    fc.property(plain, fc.uint8Array(), (value, bytes) => {
      fc.pre(!JSON.stringify(value).includes('__proto__'));
      const message = { value, bytes };
      const packed = encodeMessage(message);
      checkMsgpack(packed);
      expect(encodeMessage({ value, absent: undefined, bytes }).equals(packed)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

const handlers: Handlers<TestMethods> = {
  echo: async ({ text }) => ({ text }),
  pour: async ({ frames }, { send }) => {
    for (let n = 0; n < Math.min(frames, 10); n += 1) await send(Buffer.alloc(10));
    return {};
  },
  hang: async () => ({}),
};

test('a link survives or closes, for a reason that it says, whatever comes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 20 }), async (frames) => {
      await using peer = await rawPeer(handlers);
      const call = codeOf(peer.link.call('pour', { frames: 1, bytes: 1 }, { onData: () => undefined }, never));
      for (const bytes of frames) if (peer.socket.readyState === peer.socket.OPEN) peer.socket.send(bytes);
      const alive = await peer.settled().then(
        () => true,
        () => false,
      );
      if (!alive) expect(await peer.link.closed).toBeInstanceOf(TowError);
      peer.link.close(new Error('enough'));
      // It may have been answered by chance; it never hangs.
      expect(typeof (await call)).toBe('string');
    }),
    { numRuns: 400 },
  );
});

test('a handshake ends, with an error, whatever comes', async () => {
  const message = fc.oneof(
    frame,
    mutated(
      fc.constantFrom(
        encodeMessage({
          type: 'hello',
          version: 1,
          minVersion: 1,
          capabilities: [],
          nonce: Buffer.alloc(32),
          keyId: 'key',
        }),
      ),
    ),
    mutated(fc.constant(encodeMessage({ type: 'proof', mac: Buffer.alloc(32) }))),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 5 }), async (messages) => {
      await using pair = await socketPair();
      const outcome = codeOf(listenHandshake(pair.listener, { secretOf, build: 'b' }, never));
      for (const bytes of messages) if (pair.dialler.readyState === pair.dialler.OPEN) pair.dialler.send(bytes);
      pair.dialler.close();
      expect(['bad-message', 'unauthenticated', 'version-mismatch', 'link-lost']).toContain(await outcome);
    }),
    { numRuns: 400 },
  );
});
