/** An authenticated link at work: calls both ways over one WebSocket. See link.ts for what it promises, PROTOCOL.md for the bytes. */

import type * as v from 'valibot';
import type { RawData, WebSocket } from 'ws';
import { cancelled, throwIfAborted } from '../base/abort.ts';
import { assertNever } from '../base/assert.ts';
import { TowError, toTowError } from '../base/errors.ts';
import { decodeMessage, encodeMessage, parseMessage } from '../wire/codec.ts';
import { type Envelope, envelopeSchema } from '../wire/envelope.ts';
import { fromErrorBody, toErrorBody } from '../wire/error-body.ts';
import { limits } from '../wire/limits.ts';
import type { MethodTable } from '../wire/method.ts';
import { decodeFrame, encodeControlFrame, encodeDataFrame } from './frame.ts';
import type { Greeted } from './handshake.ts';
import { Heartbeat } from './heartbeat.ts';
import { IncomingCall } from './incoming-call.ts';
import type { CallOptions, Handlers, Link, Peer } from './link.ts';
import { type CallSink, OutgoingCall } from './outgoing-call.ts';
import { SendGate } from './send-gate.ts';
import { messageBytes, sendMessage } from './socket.ts';

export interface SessionParts<L extends MethodTable, R extends MethodTable> {
  /** Methods this side serves, and how. */
  readonly local: L;
  readonly handlers: Handlers<L>;
  /** Methods the peer serves. */
  readonly remote: R;
}

/** Bulk bytes handed to the transport and not yet taken by it. */
const bulkUnderWayBytes = 512 << 10;

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
  #nextId = 1;
  #bytesSent = 0;
  #bytesReceived = 0;

  constructor(socket: WebSocket, { peer, early }: Greeted, parts: SessionParts<L, R>) {
    this.peer = peer;
    this.#socket = socket;
    this.#parts = parts;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#heartbeat = new Heartbeat({
      ping: (stamp) => this.#control({ type: 'ping', stamp }),
      dead: (silentMs) =>
        this.close(
          new TowError('link-lost', `nothing was heard on the link for ${Math.round(silentMs / 1000)} s`, {
            retryable: true,
          }),
        ),
    });
    socket.removeAllListeners('error');
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('close', () => this.#end(new TowError('link-lost', 'the link was closed', { retryable: true })));
    socket.on('error', (cause) => this.#end(new TowError('link-lost', 'the link failed', { cause, retryable: true })));
    if (socket.readyState !== socket.OPEN)
      this.#end(new TowError('link-lost', 'the link was closed', { retryable: true }));
    for (const bytes of early) this.#onMessage(bytes, true);
    socket.resume();
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat.roundTripMs;
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
    const id = this.#nextId++;
    const cancel = (): void => this.#control({ type: 'cancel', id });
    const call = new OutgoingCall<R[N]>(name, method, options, {
      cancel,
      credit: (bytes) => this.#control({ type: 'credit', id, bytes }),
    });
    this.#outgoing.set(id, call);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      this.#control({ type: 'call', id, method: name, params, window: call.windowBytes });
      return await call.settled;
    } catch (error) {
      // Whatever the peer's completion was, the caller hears what it asked for.
      throw signal.aborted && this.#reason === undefined ? this.#abortReason(signal) : error;
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#outgoing.delete(id);
    }
  }

  close(reason: Error): void {
    const error = toTowError(reason, 'the link was closed');
    if (this.#reason === undefined && this.#socket.readyState === this.#socket.OPEN) {
      this.#control({ type: 'bye', error: toErrorBody(error) });
    }
    this.#end(error);
  }

  #abortReason(signal: AbortSignal): TowError {
    return signal.reason instanceof TowError ? signal.reason : cancelled();
  }

  /** Control messages go straight to the transport: only `SendGate`'s bytes can be ahead of them. */
  #control(message: Envelope): void {
    if (this.#reason !== undefined) return;
    try {
      const frame = encodeControlFrame(encodeMessage(message));
      this.#bytesSent += frame.length;
      sendMessage(this.#socket, frame).catch((error: unknown) => this.#end(toTowError(error, 'sending')));
    } catch (error) {
      if (message.type === 'done') this.#control({ type: 'failed', id: message.id, error: toErrorBody(error) });
      else throw error;
    }
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    this.#heartbeat.heard();
    try {
      const bytes = messageBytes(data, isBinary);
      if (bytes === undefined) throw new TowError('bad-message', 'a text message on a link');
      this.#bytesReceived += bytes.length;
      const frame = decodeFrame(bytes);
      // Data of a call that has ended (it was cancelled, say) may still be on its way.
      if (frame.type === 'data') this.#outgoing.get(frame.id)?.data(frame.payload);
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
        return this.#outgoing.get(message.id)?.event(message.body);
      case 'done':
        return this.#outgoing.get(message.id)?.done(message.result);
      case 'failed':
        return this.#outgoing.get(message.id)?.failed(fromErrorBody(message.error));
      case 'cancel':
        return this.#incoming.get(message.id)?.end(cancelled());
      case 'credit':
        return this.#incoming.get(message.id)?.window.give(message.bytes);
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

  #serve({ id, method: name, params, window }: Extract<Envelope, { type: 'call' }>): void {
    if (this.#incoming.has(id)) throw new TowError('bad-message', `call ${id} was made twice`);
    if (this.#incoming.size >= limits.callsUnderWay)
      throw new TowError('limit-exceeded', `the peer has ${this.#incoming.size} calls under way`);
    const call = new IncomingCall(window);
    this.#incoming.set(id, call);
    void this.#run(id, name, params, call).finally(() => this.#incoming.delete(id));
  }

  /** Runs a handler; sends its one completion, whatever happens. Never rejects. */
  async #run(id: number, name: string, params: unknown, call: IncomingCall): Promise<void> {
    try {
      const method = Object.hasOwn(this.#parts.local, name) ? this.#parts.local[name] : undefined;
      const handler = this.#parts.handlers[name];
      if (method === undefined || handler === undefined)
        throw new TowError('not-supported', `this side does not serve ${name}`);
      const result = await handler(parseMessage(method.params, params, `the parameters of ${name}`), {
        signal: call.signal,
        emit: (body) => this.#control({ type: 'event', id, body }),
        send: (...parts) => this.#data(id, call, parts),
      });
      if (call.signal.aborted) throw cancelled();
      this.#control({ type: 'done', id, result });
    } catch (error) {
      this.#control({ type: 'failed', id, error: toErrorBody(error) });
    }
  }

  async #data(id: number, call: IncomingCall, parts: readonly Uint8Array[]): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const allowed = (await call.window.take(bytes)) && (await this.#gate.enter(bytes));
    if (!allowed || call.signal.aborted) throw this.#reason ?? cancelled();
    try {
      const frame = encodeDataFrame(id, parts);
      this.#bytesSent += frame.length;
      await sendMessage(this.#socket, frame);
    } finally {
      this.#gate.leave(bytes);
    }
  }

  #end(reason: TowError): void {
    if (this.#reason !== undefined) return;
    const lost =
      reason.code === 'link-lost'
        ? reason
        : new TowError('link-lost', `the link was closed: ${reason.message}`, { cause: reason, retryable: true });
    this.#reason = lost;
    this.#heartbeat.stop();
    this.#gate.close();
    for (const call of this.#incoming.values()) call.end(lost);
    for (const call of this.#outgoing.values()) call.failed(lost);
    // Goodbye first if it can still go out; then the connection is cut, whatever the peer does.
    this.#socket.close();
    setTimeout(() => this.#socket.terminate(), 1000).unref();
    this.#resolveClosed(reason);
  }
}
