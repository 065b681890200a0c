/** One request over Node's HTTP, and the head of its answer. */
import { type Agent, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { throwIfAborted } from '../../base/abort.ts';
import { s3Error } from './s3-error.ts';

export interface HttpRequest {
  readonly agent: Agent;
  readonly protocol: 'http:' | 'https:';
  readonly hostname: string;
  readonly port: number | undefined;
  /** With the query. */
  readonly path: string;
  readonly method: string;
  /** The Host header too, and the length of the body. */
  readonly headers: Readonly<Record<string, string>>;
  /** Not to be changed until the answer is there. */
  readonly body: Uint8Array | undefined;
  /** Milliseconds without a byte, either way, after which it has failed; for a connection to come about. */
  readonly silenceMs: number;
  readonly connectMs: number;
  /** In errors. */
  readonly doing: string;
}

/** Resolves with the answer, whatever it is; its body is the caller's to read or destroy. Rejects as `ObjectStore`. */
export async function exchange(request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  throwIfAborted(signal);
  try {
    return await headOf(request, signal);
  } catch (error) {
    throw s3Error(error, request.doing);
  }
}

async function headOf(
  { agent, protocol, hostname, port, path, method, headers, body, silenceMs, connectMs }: HttpRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const send = protocol === 'https:' ? tlsRequest : plainRequest;
  return await new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      signal.removeEventListener('abort', stop);
      reject(error);
    };
    const stop = (): void => {
      request.destroy();
      fail(Object.assign(new Error('cancelled'), { name: 'AbortError' }));
    };
    const request = send({
      agent,
      protocol,
      // An address of IPv6 is in brackets in a URL, and not here.
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      path,
      method,
      headers,
      timeout: silenceMs,
    });
    signal.addEventListener('abort', stop, { once: true });
    let connecting = false;
    request.once('socket', (socket: Socket) => {
      if (!socket.connecting || connectMs >= silenceMs) return;
      connecting = true;
      socket.setTimeout(connectMs);
      socket.once('connect', () => {
        connecting = false;
        socket.setTimeout(silenceMs);
      });
    });
    request.on('timeout', () => {
      const what = connecting
        ? `no connection came about in ${connectMs / 1000} s`
        : `no byte came for ${silenceMs / 1000} s`;
      request.destroy(Object.assign(new Error(what), { name: 'TimeoutError' }));
    });
    request.once('response', (answer) => {
      signal.removeEventListener('abort', stop);
      // Refused before all was sent: nobody reads the rest, and the connection is of no more use.
      answer.once('close', () => {
        if (!request.writableFinished) request.destroy();
      });
      resolve(answer);
    });
    // Also after the answer came: its body then fails by itself.
    request.on('error', fail);
    if (body === undefined) request.end();
    else request.end(body);
  });
}
