import type { RawData, WebSocket } from 'ws';
import { raceSignal } from '../base/abort.ts';
import { assertNever } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { TowError } from '../base/errors.ts';
import { decodeMessage, encodeMessage } from '../wire/codec.ts';
import { type HandshakeMessage, handshakeSchema, refusalCodes } from '../wire/hello.ts';
import { limits } from '../wire/limits.ts';
import { enrolHint } from './proof.ts';
import { closeSocket, messageBytes, sendMessage } from './socket.ts';

export const handshakeTimeoutMs = 10_000;

/** Messages each side gets in a handshake: hello, proof, welcome. */
export const handshakeMessages = 3;

type MessageOf<T extends HandshakeMessage['type']> = Extract<HandshakeMessage, { type: T }>;

/** One side's view of a handshake: messages in turn, each at most once. */
export interface HandshakeWire {
  /** Returns the bytes as sent. */
  send(message: object): Promise<Buffer>;
  receive<T extends HandshakeMessage['type']>(type: T): Promise<{ message: MessageOf<T>; bytes: Buffer }>;
}

/** What a handshake came to, and what the peer said in the same breath as its last message: the session's first messages. */
export interface HandshakeOutcome<T> {
  readonly result: T;
  readonly early: readonly Buffer[];
}

/**
 * Runs a handshake over a connection's messages, within its time. On failure tells the peer the code and nothing more,
 * and closes; on success leaves the connection paused.
 */
export async function runHandshake<T>(
  socket: WebSocket,
  clock: Clock,
  signal: AbortSignal,
  run: (wire: HandshakeWire) => Promise<T>,
): Promise<HandshakeOutcome<T>> {
  const inbox = new Inbox(socket);
  const over = new AbortController();
  const overdue = clock.sleep(handshakeTimeoutMs, over.signal).then(
    () => inbox.lose(lost(`no handshake within ${handshakeTimeoutMs / 1000} s`)),
    // The handshake is over.
    () => undefined,
  );
  const wire: HandshakeWire = {
    send: async (message) => {
      const bytes = encodeMessage(message);
      await raceSignal(sendMessage(socket, bytes), signal);
      return bytes;
    },
    receive: async (type) => {
      const bytes = await inbox.next(signal);
      const message = decodeMessage(handshakeSchema, bytes, 'a handshake message');
      if (message.type === 'refused') throw refusedBy(message.code);
      if (!isOfType(message, type))
        throw new TowError('bad-message', `${message.type} where ${type} was due in the handshake`);
      return { message, bytes };
    },
  };
  try {
    return { result: await run(wire), early: inbox.early };
  } catch (error) {
    refuse(socket, error);
    throw error;
  } finally {
    inbox.close();
    over.abort();
    await overdue;
  }
}

function lost(message: string, cause?: Error): TowError {
  return new TowError('link-lost', message, { retryable: true, ...(cause === undefined ? {} : { cause }) });
}

function isOfType<T extends HandshakeMessage['type']>(message: HandshakeMessage, type: T): message is MessageOf<T> {
  return message.type === type;
}

/** The messages of a handshake as they come. */
class Inbox {
  readonly #socket: WebSocket;
  readonly #messages: Buffer[] = [];
  readonly early: Buffer[] = [];
  #count = 0;
  #gone: TowError | undefined;
  #wake: () => void = () => undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', this.#onMessage).on('close', this.#onClose).on('error', this.#onError);
    if (socket.readyState !== socket.OPEN) this.#onClose();
  }

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    const bytes = messageBytes(data, isBinary);
    // Whatever comes behind the last one belongs to the session, which is not listening yet.
    if (bytes !== undefined && this.#count === handshakeMessages) {
      this.early.push(bytes);
      return;
    }
    if (bytes === undefined || bytes.length > limits.handshakeFrameBytes) {
      this.lose(new TowError('bad-message', `a handshake message of ${bytes?.length ?? 'no'} bytes`));
      return;
    }
    this.#messages.push(bytes);
    this.#count += 1;
    if (this.#count === handshakeMessages) this.#socket.pause();
    this.#wake();
  };

  readonly #onClose = (): void => this.lose(lost('the link was closed during the handshake'));

  readonly #onError = (cause: Error): void => this.lose(lost('the link failed during the handshake', cause));

  lose(error: TowError): void {
    this.#gone ??= error;
    this.#wake();
  }

  async next(signal: AbortSignal): Promise<Buffer> {
    for (;;) {
      const bytes = this.#messages.shift();
      if (bytes !== undefined) return bytes;
      if (this.#gone !== undefined) throw this.#gone;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await raceSignal(woken, signal);
    }
  }

  /** The error listener stays: a failing connection without one would end the process. */
  close(): void {
    this.#socket.off('message', this.#onMessage).off('close', this.#onClose);
  }
}

function refuse(socket: WebSocket, error: unknown): void {
  const code = refusalCodes.find((known) => error instanceof TowError && error.code === known) ?? 'link-lost';
  // If it does not get there, the peer sees a closed link, which is as good.
  if (socket.readyState === socket.OPEN)
    sendMessage(socket, encodeMessage({ type: 'refused', code })).catch(() => undefined);
  socket.resume();
  closeSocket(socket);
}

/** Nobody has proved anything yet: of a refusal only the code counts. */
function refusedBy(code: (typeof refusalCodes)[number]): TowError {
  switch (code) {
    case 'unauthenticated':
      return new TowError(code, 'the peer does not know this key, or has another secret for it', { hint: enrolHint });
    case 'version-mismatch':
      return new TowError(code, 'the peer does not speak this version of the protocol', {
        hint: 'upgrade Towline on your machine, then launch the cluster again',
      });
    case 'bad-message':
      return new TowError(code, 'the peer could not read the handshake');
    case 'link-lost':
      return lost('the peer broke the handshake off');
    default:
      return assertNever(code);
  }
}
