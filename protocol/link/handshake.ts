/**
 * Mutual challenge-response (PROTOCOL.md, "Handshake"). D is the side that dialled, L the one that listened.
 *
 *   D → L  hello with key id and nonce          L → D  hello with nonce
 *   D → L  HMAC(secret, "towline-1 dialler"  · transcript)
 *   L → D  HMAC(secret, "towline-1 listener" · transcript), then welcome
 *   D → L  welcome
 *
 * The transcript is both hellos as they were sent, so versions and capabilities cannot be changed on the way. Roles are
 * in the MAC, so a proof cannot be sent back to its maker. An unknown key is answered like a wrong secret.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RawData, WebSocket } from 'ws';
import { raceSignal } from '../base/abort.ts';
import { TowError } from '../base/errors.ts';
import { decodeMessage, encodeMessage } from '../wire/codec.ts';
import { fromErrorBody, toErrorBody } from '../wire/error-body.ts';
import { type HandshakeMessage, type Hello, handshakeSchema, nonceBytes } from '../wire/hello.ts';
import { limits } from '../wire/limits.ts';
import { wireBytes } from '../wire/schema.ts';
import { capabilities, minProtocolVersion, protocolVersion } from '../wire/version.ts';
import type { Peer } from './link.ts';
import { messageBytes, sendMessage } from './socket.ts';

export const handshakeTimeoutMs = 10_000;

const labels = { dialler: 'towline-1 dialler', listener: 'towline-1 listener' } as const;
type Role = keyof typeof labels;

/** Both hellos, each with its length, in the order they were sent. */
export function proofOf(secret: Uint8Array, role: Role, hellos: readonly Uint8Array[]): Buffer {
  const mac = createHmac('sha256', secret).update(labels[role]);
  for (const hello of hellos) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(hello.length);
    mac.update(length).update(hello);
  }
  return mac.digest();
}

/** An authenticated peer, and what it said in the same breath as its last handshake message: the session's first messages. */
export interface Greeted {
  readonly peer: Peer;
  readonly early: readonly Buffer[];
}

/** Messages each side gets in a handshake: hello, proof, welcome. */
const messagesToGet = 3;

export interface DialHandshake {
  readonly keyId: string;
  readonly secret: Uint8Array;
  readonly build: string;
}

/** Proves the dialling side and checks the listening one. Rejects with `unauthenticated`, `version-mismatch`, `bad-message`, `link-lost`. */
export async function dialHandshake(socket: WebSocket, options: DialHandshake, signal: AbortSignal): Promise<Greeted> {
  return await withWire(socket, signal, async (wire) => {
    const ours = await wire.send(hello(options.keyId));
    const theirs = await wire.receive('hello');
    checkVersions(theirs.message, 'controller');
    const transcript = [ours, theirs.bytes];
    await wire.send({ type: 'proof', mac: proofOf(options.secret, 'dialler', transcript) });
    const { message: proof } = await wire.receive('proof');
    checkProof(proof.mac, proofOf(options.secret, 'listener', transcript));
    const { message: welcome } = await wire.receive('welcome');
    await wire.send({ type: 'welcome', build: options.build });
    return {
      keyId: options.keyId,
      version: theirs.message.version,
      build: welcome.build,
      capabilities: theirs.message.capabilities,
    };
  });
}

export interface ListenHandshake {
  /** The secret of a key, if it is known. */
  secretOf(keyId: string): Uint8Array | undefined;
  readonly build: string;
}

/** Proves the listening side and checks the dialling one. Tells the peer why when it refuses. */
export async function listenHandshake(
  socket: WebSocket,
  options: ListenHandshake,
  signal: AbortSignal,
): Promise<Greeted> {
  return await withWire(socket, signal, async (wire) => {
    const theirs = await wire.receive('hello');
    const ours = await wire.send(hello(undefined));
    checkVersions(theirs.message, 'agent');
    const keyId = theirs.message.keyId ?? '';
    const known = options.secretOf(keyId);
    const secret = known ?? randomBytes(32);
    const transcript = [theirs.bytes, ours];
    const { message: proof } = await wire.receive('proof');
    checkProof(proof.mac, proofOf(secret, 'dialler', transcript));
    await wire.send({ type: 'proof', mac: proofOf(secret, 'listener', transcript) });
    await wire.send({ type: 'welcome', build: options.build });
    const { message: welcome } = await wire.receive('welcome');
    return { keyId, version: theirs.message.version, build: welcome.build, capabilities: theirs.message.capabilities };
  });
}

function hello(keyId: string | undefined) {
  return {
    type: 'hello' as const,
    version: protocolVersion,
    minVersion: minProtocolVersion,
    capabilities: [...capabilities],
    nonce: randomBytes(nonceBytes),
    ...(keyId === undefined ? {} : { keyId }),
  };
}

function checkVersions(peer: Hello, who: 'agent' | 'controller'): void {
  if (peer.version >= minProtocolVersion && protocolVersion >= peer.minVersion) return;
  const older = peer.version < minProtocolVersion;
  const hint =
    older === (who === 'agent')
      ? 'launch the cluster again: that upgrades its agents'
      : 'upgrade Towline on your machine, then launch the cluster again';
  throw new TowError(
    'version-mismatch',
    `the ${who} speaks protocol ${peer.minVersion} to ${peer.version}, this side ${minProtocolVersion} to ${protocolVersion}: the ${who} is too ${older ? 'old' : 'new'}`,
    { hint },
  );
}

function checkProof(mac: string, expected: Buffer): void {
  if (!timingSafeEqual(wireBytes(mac), expected)) {
    throw new TowError('unauthenticated', 'the peer does not know the secret of this node', {
      hint: 'launch the cluster again: that enrols its nodes anew',
    });
  }
}

type MessageOf<T extends HandshakeMessage['type']> = Extract<HandshakeMessage, { type: T }>;

interface Wire {
  /** Returns the bytes as sent. */
  send(message: object): Promise<Buffer>;
  receive<T extends HandshakeMessage['type']>(type: T): Promise<{ message: MessageOf<T>; bytes: Buffer }>;
}

/** Runs a handshake over the socket's messages, within its time; refuses and closes on failure, leaves the socket paused on success. */
async function withWire(socket: WebSocket, signal: AbortSignal, run: (wire: Wire) => Promise<Peer>): Promise<Greeted> {
  const inbox: Buffer[] = [];
  const early: Buffer[] = [];
  let got = 0;
  let wake: () => void = () => undefined;
  let gone: TowError | undefined;
  const lose = (error: TowError): void => {
    gone ??= error;
    wake();
  };
  const onMessage = (data: RawData, isBinary: boolean): void => {
    const bytes = messageBytes(data, isBinary);
    if (bytes !== undefined && got === messagesToGet) {
      early.push(bytes);
      return;
    }
    if (bytes === undefined || bytes.length > limits.handshakeFrameBytes) {
      lose(new TowError('bad-message', 'a handshake message is no handshake message'));
      return;
    }
    inbox.push(bytes);
    got += 1;
    // Whatever comes behind the last one belongs to the session, which is not listening yet.
    if (got === messagesToGet) socket.pause();
    wake();
  };
  const onClose = (): void =>
    lose(new TowError('link-lost', 'the link was closed during the handshake', { retryable: true }));
  const onError = (cause: Error): void =>
    lose(new TowError('link-lost', 'the link failed during the handshake', { cause, retryable: true }));
  const timer = setTimeout(
    () => lose(new TowError('link-lost', `no handshake within ${handshakeTimeoutMs / 1000} s`, { retryable: true })),
    handshakeTimeoutMs,
  );
  socket.on('message', onMessage).on('close', onClose).on('error', onError);
  const wire: Wire = {
    send: async (message) => {
      const bytes = encodeMessage(message);
      await sendMessage(socket, bytes);
      return bytes;
    },
    receive: async (type) => {
      while (inbox.length === 0 && gone === undefined) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await raceSignal(woken, signal);
      }
      const bytes = inbox.shift();
      if (bytes === undefined) throw gone ?? new TowError('link-lost', 'the link is gone');
      const message = decodeMessage(handshakeSchema, bytes, 'a handshake message');
      if (message.type === 'refused') throw fromErrorBody(message.error);
      if (!isOfType(message, type))
        throw new TowError('bad-message', `${message.type} where ${type} was due in the handshake`);
      return { message, bytes };
    },
  };
  try {
    return { peer: await run(wire), early };
  } catch (error) {
    await refuse(socket, error);
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off('message', onMessage).off('close', onClose);
  }
}

function isOfType<T extends HandshakeMessage['type']>(message: HandshakeMessage, type: T): message is MessageOf<T> {
  return message.type === type;
}

async function refuse(socket: WebSocket, error: unknown): Promise<void> {
  try {
    if (socket.readyState === socket.OPEN)
      await sendMessage(socket, encodeMessage({ type: 'refused', error: toErrorBody(error) }));
  } catch {
    // The peer is gone; it cannot be told.
  }
  socket.close();
}
