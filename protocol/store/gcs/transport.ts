/**
 * HTTP as object stores need it: the request goes when its signal aborts, bodies come at the reader's pace, as they are
 * stored (no decompression), and nothing is read from the environment.
 */
import { setMaxListeners } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { cancelled, throwIfAborted } from '../../base/abort.ts';
import { TowError } from '../../base/errors.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one after the other, not copied. */
  readonly body?: readonly Uint8Array[];
}

export class Transport {
  readonly #agents = { 'http:': new http.Agent({ keepAlive: true }), 'https:': new https.Agent({ keepAlive: true }) };
  readonly #silenceMs: number;

  /** After `silenceMs` without a byte, of those that are waited for, a request has failed. */
  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  /**
   * Resolves with the head of the answer, whatever its status; its body must be read or destroyed. The signal holds for
   * the body too. Rejects with `store-unreachable`.
   */
  async send(request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
    throwIfAborted(signal);
    // Every request listens here: many are no leak.
    setMaxListeners(0, signal);
    const { method, body = [] } = request;
    const url = new URL(request.url);
    const length = body.reduce((sum, { length }) => sum + length, 0);
    const headers = method === 'POST' ? { ...request.headers, 'content-length': length } : request.headers;
    const options = { method, headers, timeout: this.#silenceMs };
    const outgoing =
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: this.#agents['https:'] })
        : http.request(url, { ...options, agent: this.#agents['http:'] });
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => void outgoing.destroy(cancelled());
      const leave = (): void => signal.removeEventListener('abort', onAbort);
      signal.addEventListener('abort', onAbort, { once: true });
      outgoing.on('timeout', () => outgoing.destroy(this.#silent(url)));
      // Stays: a socket can fail after the answer came, too.
      outgoing.on('error', (error) => {
        leave();
        reject(unreachable(error, url.host, signal));
      });
      outgoing.once('response', (incoming) => {
        leave();
        // The reader may take its time: silence counts only while it waits.
        incoming.socket.setTimeout(0);
        const onBodyAbort = (): void => void incoming.destroy(cancelled());
        signal.addEventListener('abort', onBodyAbort, { once: true });
        incoming.once('close', () => signal.removeEventListener('abort', onBodyAbort));
        resolve(incoming);
      });
      for (const bytes of body) outgoing.write(bytes);
      outgoing.end();
    });
  }

  /** The body, chunk by chunk; leaving early closes the connection. Rejects with `store-unreachable` when it breaks off. */
  async *body(incoming: IncomingMessage, url: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const watch = (): NodeJS.Timeout => setTimeout(() => incoming.destroy(this.#silent(new URL(url))), this.#silenceMs);
    let timer = watch();
    try {
      for await (const chunk of incoming) {
        clearTimeout(timer);
        const bytes: unknown = chunk;
        if (bytes instanceof Uint8Array) yield bytes;
        timer = watch();
      }
      throwIfAborted(signal);
    } catch (error) {
      throw unreachable(error, new URL(url).host, signal);
    } finally {
      clearTimeout(timer);
      incoming.destroy();
    }
  }

  #silent({ host }: URL): TowError {
    const message = `${host} said nothing for ${this.#silenceMs / 1000} s`;
    return new TowError('store-unreachable', message, { retryable: true });
  }
}

function unreachable(error: unknown, host: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason instanceof TowError ? signal.reason : cancelled();
  if (error instanceof TowError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TowError('store-unreachable', `the connection to ${host} failed: ${message}`, {
    cause: error,
    retryable: true,
  });
}
