/** A link whose other side is the test: it shakes hands properly, and then sends what no real peer would. */
import type { WebSocket } from 'ws';
import type { Clock } from '../../protocol/base/clock.ts';
import { systemClock } from '../../protocol/base/clock.ts';
import { decodeFrame, encodeControlFrame } from '../../protocol/link/frame.ts';
import { dialHandshake } from '../../protocol/link/handshake.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { acceptLink } from '../../protocol/link/open-link.ts';
import { messageBytes } from '../../protocol/link/socket.ts';
import { decodeMessage, encodeMessage } from '../../protocol/wire/codec.ts';
import { type Envelope, envelopeSchema } from '../../protocol/wire/envelope.ts';
import { encodeDataFrame } from './data-frame.ts';
import { never, secret, secretOf, type TestMethods, testMethods } from './link-pair.ts';
import { socketPair } from './socket-pair.ts';

export interface RawPeer extends AsyncDisposable {
  /** The side under test. */
  readonly link: Link<TestMethods>;
  readonly socket: WebSocket;
  /** Everything the link sent, in order; data frames with their payload's length. */
  readonly heard: readonly Heard[];
  readonly say: (message: Envelope) => void;
  readonly sayRaw: (message: unknown) => void;
  readonly pour: (id: number, payload: Buffer) => void;
  /** The first message heard that passes, waiting for it. Rejects when the link closes without. */
  readonly hear: (passes: (message: Heard) => boolean) => Promise<Heard>;
  /** Everything the link sent until it had read all that was said so far. */
  readonly settled: () => Promise<readonly Heard[]>;
}

export type Heard = Envelope | { readonly type: 'data'; readonly id: number; readonly bytes: number };

export async function rawPeer(handlers: Handlers<TestMethods>, clock: Clock = systemClock): Promise<RawPeer> {
  const sockets = await socketPair();
  const socket = sockets.dialler;
  const parts = { local: testMethods, remote: testMethods, handlers };
  const [link] = await Promise.all([
    acceptLink(sockets.listener, { secretOf, build: 'b2', partsFor: () => parts, clock }, never),
    dialHandshake(socket, { keyId: 'key', secret, build: 'b1' }, never),
  ]);
  const heard: Heard[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const look of waiting) look();
  };
  let closed = false;
  socket.on('message', (data, isBinary) => {
    const frame = decodeFrame(messageBytes(data, isBinary) ?? Buffer.alloc(0));
    if (frame.type !== 'control') heard.push({ type: 'data', id: frame.id, bytes: frame.payload.length });
    else heard.push(decodeMessage(envelopeSchema, frame.body, 'what a link sent'));
    wake();
  });
  socket.on('close', () => {
    closed = true;
    wake();
  });
  socket.resume();
  const sayRaw = (message: unknown): void => socket.send(encodeControlFrame(encodeMessage(message)));
  const hear = async (passes: (message: Heard) => boolean): Promise<Heard> =>
    await new Promise<Heard>((resolve, reject) => {
      const look = (): void => {
        const found = heard.find((message) => passes(message));
        if (found === undefined && !closed) return;
        waiting.delete(look);
        if (found === undefined) reject(new Error(`the link closed after ${JSON.stringify(heard)}`));
        else resolve(found);
      };
      waiting.add(look);
      look();
    });
  let stamp = 0;
  return {
    link,
    socket,
    heard,
    say: sayRaw,
    sayRaw,
    pour: (id, payload) => socket.send(encodeDataFrame('data', id, [payload])),
    hear,
    settled: async () => {
      stamp += 1;
      const mine = stamp;
      sayRaw({ type: 'ping', stamp: mine });
      await hear((message) => message.type === 'pong' && message.stamp === mine);
      return heard;
    },
    [Symbol.asyncDispose]: async () => await sockets[Symbol.asyncDispose](),
  };
}
