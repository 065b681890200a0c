/** An authenticated link at work: calls both ways over one WebSocket. See link.ts for what it promises, PROTOCOL.md for the bytes. */

import { setMaxListeners } from 'node:events';
import type * as v from 'valibot';
import type { RawData, WebSocket } from 'ws';
import { cancelled, throwIfAborted } from '../base/abort.ts';
import { assertNever } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { TowError, toTowError } from '../base/errors.ts';
import { decodeMessage, encodeMessage, parseMessage } from '../wire/codec.ts';
import { type Envelope, envelopeSchema, lastCallId } from '../wire/envelope.ts';
import { fromErrorBody, toErrorBody } from '../wire/error-body.ts';
import { limits } from '../wire/limits.ts';
import type { Method, MethodTable } from '../wire/method.ts';
import { dataFrameHeader, decodeFrame, encodeControlFrame } from './frame.ts';
import type { HandshakeOutcome } from './handshake-wire.ts';
import { Heartbeat } from './heartbeat.ts';
import { IncomingCall } from './incoming-call.ts';
import type { CallContext, CallOptions, Handlers, Link, Peer } from './link.ts';
import { type CallSink, OutgoingCall } from './outgoing-call.ts';
import { SendGate } from './send-gate.ts';
import { closeSocket, messageBytes, sendMessage } from './socket.ts';

export interface SessionParts<L extends MethodTable, R extends MethodTable> {
  /** Methods this side serves, and how. */
  readonly local: L;
  readonly handlers: Handlers<L>;
  /** Methods the peer serves. */
  readonly remote: R;
}

/** Bulk bytes handed to the transport and not yet taken by it; one frame may be longer. */
const bulkUnderWayBytes = 1 << 20;

export class LinkSession<L extends MethodTable, R extends MethodTable> implements Link<R> {
  readonly peer: Peer;
  readonly closed: Promise<Error>;
  readonly #socket: WebSocket;
  readonly #parts: SessionParts<L, R>;
  readonly #outgoing = new Map<number, CallSink>();
  readonly #incoming = new Map<number, IncomingCall>();
  readonly #gate = new SendGate(bulkUnderWayBytes);
  readonly #heartbeat: Heartbeat;
  #resolveClosed: (reason: Error) => void = () => undefined;
  #reason: TowError | undefined;
  /** Ids rise and are never used again, so a late message is told from a wrong one. */
  #lastOutgoing = 0;
  #lastIncoming = 0;
  #bytesSent = 0;
  #bytesReceived = 0;

  constructor(socket: WebSocket, greeted: HandshakeOutcome<Peer>, parts: SessionParts<L, R>, clock: Clock) {
    this.peer = greeted.result;
    this.#socket = socket;
    this.#parts = parts;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const dead = (silentMs: number): void =>
      this.close(lost(`nothing was heard on the link for ${Math.round(silentMs / 1000)} s`));
    this.#heartbeat = new Heartbeat({ ping: (stamp) => this.#control({ type: 'ping', stamp }), dead }, clock);
    socket.removeAllListeners('error');
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('close', () => this.#end(lost('the link was closed')));
    socket.on('error', (cause) => this.#end(socketFailure(cause)));
    if (socket.readyState !== socket.OPEN) this.#end(lost('the link was closed'));
    for (const bytes of greeted.early) this.#onMessage(bytes, true);
    socket.resume();
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat.roundTripMs;
  }

  get measured(): Promise<void> {
    return this.#heartbeat.measured;
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  async call<N extends keyof R & string>(
    name: N,
    params: v.InferInput<R[N]['params']>,
    options: CallOptions<R[N]>,
    signal: AbortSignal,
  ): Promise<v.InferOutput<R[N]['result']>> {
    throwIfAborted(signal);
    if (this.#reason !== undefined) throw this.#reason;
    const method = this.#parts.remote[name];
    if (method === undefined) throw new TowError('internal', `no method ${name}`);
    if (this.#outgoing.size >= limits.callsUnderWay)
      throw new TowError('limit-exceeded', `${this.#outgoing.size} calls are under way on one link`);
    if (this.#lastOutgoing === lastCallId) {
      const error = lost('the link has used up its call ids');
      this.close(error);
      throw error;
    }
    const { payload } = options;
    if (payload !== undefined && (!method.payload || payload.length > limits.callPayloadBytes))
      throw new TowError('internal', `${payload.length} bytes cannot go with ${name}`);
    const id = this.#lastOutgoing + 1;
    const call = new OutgoingCall<R[N]>(name, method, options, {
      cancel: () => this.#control({ type: 'cancel', id }),
      credit: (bytes) => this.#control({ type: 'credit', id, bytes }),
    });
    this.#lastOutgoing = id;
    this.#outgoing.set(id, call);
    const abandon = (): void => call.abandon();
    // Every call under way listens, and they may share a signal.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', abandon, { once: true });
    try {
      const announced = payload === undefined || payload.length === 0 ? {} : { payload: payload.length };
      this.#control({ type: 'call', id, method: name, params, window: call.windowBytes, ...announced });
      if (payload !== undefined && payload.length > 0) this.#sendPayload(id, payload);
      const result = await call.settled;
      // Cancelled is cancelled, also when the result was on its way already.
      throwIfAborted(signal);
      return result;
    } catch (error) {
      if (this.#reason === undefined) throwIfAborted(signal);
      throw error;
    } finally {
      signal.removeEventListener('abort', abandon);
      this.#outgoing.delete(id);
    }
  }

  close(reason: Error): void {
    const error = toTowError(reason, 'the link was closed');
    this.#control({ type: 'bye', error: toErrorBody(error) });
    this.#end(error);
  }

  /**
   * Control messages go straight to the transport: only `SendGate`'s bytes can be ahead of them. Throws
   * `limit-exceeded` or `internal` when the message cannot be sent; nothing of it was then.
   */
  #control(message: Envelope): void {
    if (this.#reason !== undefined) return;
    const frame = encodeControlFrame(encodeMessage(message));
    const { bufferedAmount } = this.#socket;
    if (bufferedAmount + frame.length > limits.controlBacklogBytes) {
      this.#end(new TowError('limit-exceeded', `the peer does not read: ${bufferedAmount} bytes wait for it`));
      return;
    }
    this.#send(frame).catch((error: unknown) => this.#end(toTowError(error, 'sending')));
  }

  async #send(...frame: readonly Uint8Array[]): Promise<void> {
    for (const part of frame) this.#bytesSent += part.length;
    await sendMessage(this.#socket, ...frame);
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#reason !== undefined) return;
    this.#heartbeat.heard();
    try {
      const bytes = messageBytes(data, isBinary);
      if (bytes === undefined) throw new TowError('bad-message', 'a text message on a link');
      this.#bytesReceived += bytes.length;
      const frame = decodeFrame(bytes);
      if (frame.type === 'data') this.#outgoingCall(frame.id)?.data(frame.payload);
      else if (frame.type === 'payload') this.#incomingCall(frame.id)?.takePayload(frame.payload);
      else this.#onControl(decodeMessage(envelopeSchema, frame.body, 'a control message'));
    } catch (error) {
      this.close(toTowError(error, 'a message of the peer'));
    }
  }

  #onControl(message: Envelope): void {
    switch (message.type) {
      case 'call':
        return this.#serve(message);
      case 'event':
        return this.#outgoingCall(message.id)?.event(message.body);
      case 'done':
        return this.#outgoingCall(message.id)?.done(message.result);
      case 'failed':
        return this.#outgoingCall(message.id)?.failed(fromErrorBody(message.error));
      case 'cancel':
        return this.#incomingCall(message.id)?.end(cancelled());
      case 'credit':
        return this.#incomingCall(message.id)?.credit(message.bytes);
      case 'ping':
        return this.#control({ type: 'pong', stamp: message.stamp });
      case 'pong':
        return this.#heartbeat.pong(message.stamp);
      case 'bye':
        return this.#end(fromErrorBody(message.error));
      default:
        return assertNever(message);
    }
  }

  /** The call a message is about; undefined when it is over, since what crosses its end is no fault of the peer. */
  #outgoingCall(id: number): CallSink | undefined {
    if (id > this.#lastOutgoing) throw new TowError('bad-message', `an answer to call ${id}, which was never made`);
    return this.#outgoing.get(id);
  }

  #incomingCall(id: number): IncomingCall | undefined {
    if (id > this.#lastIncoming) throw new TowError('bad-message', `a message about call ${id}, which was never made`);
    return this.#incoming.get(id);
  }

  #serve({ id, method: name, params, window, payload = 0 }: Extract<Envelope, { type: 'call' }>): void {
    if (id <= this.#lastIncoming) throw new TowError('bad-message', `call ${id} after call ${this.#lastIncoming}`);
    if (this.#incoming.size >= limits.callsUnderWay)
      throw new TowError('limit-exceeded', `the peer has ${this.#incoming.size} calls under way`);
    let waiting = payload;
    for (const other of this.#incoming.values()) if (other.waits) waiting += other.payloadBytes;
    if (waiting > limits.payloadsUnderWayBytes)
      throw new TowError('limit-exceeded', `calls of the peer wait for ${waiting} bytes that go with them`);
    this.#lastIncoming = id;
    const call = new IncomingCall(window, payload, (parts, bytes) => this.#sendBulk('data', id, parts, bytes));
    this.#incoming.set(id, call);
    void this.#run(id, name, params, call);
  }

  /** Runs a handler; sends its one completion, whatever happens. Never rejects. */
  async #run(id: number, name: string, params: unknown, call: IncomingCall): Promise<void> {
    try {
      const result = await this.#handle(id, name, params, call);
      if (call.signal.aborted) throw cancelled();
      call.finish();
      this.#incoming.delete(id);
      this.#control({ type: 'done', id, result });
    } catch (error) {
      call.finish();
      this.#incoming.delete(id);
      this.#control({ type: 'failed', id, error: toErrorBody(error) });
    }
  }

  async #handle(id: number, name: string, params: unknown, call: IncomingCall): Promise<unknown> {
    const method = Object.hasOwn(this.#parts.local, name) ? this.#parts.local[name] : undefined;
    const handler = this.#parts.handlers[name];
    if (method === undefined || handler === undefined)
      throw new TowError('not-supported', `this side does not serve ${name}`);
    const payload = await call.payload();
    if (payload !== undefined && !method.payload)
      throw new TowError('bad-message', `${payload.length} bytes came with ${name}, which takes none`);
    const context: CallContext<Method> = {
      signal: call.signal,
      payload,
      emit: (body) => {
        if (!call.over) this.#control({ type: 'event', id, body });
      },
      send: async (...parts) => {
        if (!method.stream) throw new TowError('internal', `${name} has no stream`);
        await call.send(parts);
      },
    };
    return await handler(parseMessage(method.params, params, `the parameters of ${name}`), context);
  }

  #sendPayload(id: number, payload: Uint8Array): void {
    this.#sendBulk('payload', id, [payload], payload.length).catch((error: unknown) =>
      this.#end(toTowError(error, 'sending')),
    );
  }

  /** In its turn, so that control messages do not wait behind it. False once the link is gone. */
  async #sendBulk(type: 'data' | 'payload', id: number, parts: readonly Uint8Array[], bytes: number): Promise<boolean> {
    if (!(await this.#gate.enter(bytes))) return false;
    try {
      await this.#send(dataFrameHeader(type, id, parts), ...parts);
      return true;
    } finally {
      this.#gate.leave(bytes);
    }
  }

  #end(reason: TowError): void {
    if (this.#reason !== undefined) return;
    const error = reason.code === 'link-lost' ? reason : lost(`the link was closed: ${reason.message}`, reason);
    this.#reason = error;
    this.#heartbeat.stop();
    this.#gate.close();
    for (const call of this.#incoming.values()) call.end(error);
    for (const call of this.#outgoing.values()) call.lost(error);
    closeSocket(this.#socket);
    this.#resolveClosed(reason);
  }
}

function lost(message: string, cause?: Error): TowError {
  return new TowError('link-lost', message, { retryable: true, ...(cause === undefined ? {} : { cause }) });
}

/** ws closes by itself on what is no WebSocket message, or one that is too long, and says so in the error's code. */
function socketFailure(cause: Error): TowError {
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  if (!code.startsWith('WS_ERR_')) return lost('the link failed', cause);
  return new TowError(
    code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' ? 'limit-exceeded' : 'bad-message',
    'the link failed',
    {
      cause,
    },
  );
}
