/**
 * Ranges of large objects, read past Node's HTTP client: each connection has one buffer, which the socket fills and its
 * reader empties. That client makes a new buffer for each 64 KiB and copies them, at a third of all that a copy costs.
 * Nothing but an answer of 206 with a length is understood here: whatever else comes is for the client that knows it all.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { throwIfAborted } from '../../base/abort.ts';
import type { ObjectBody } from '../object-store.ts';
import { s3Error } from './s3-error.ts';
import type { S3Place } from './s3-wire.ts';

export interface RawRequest {
  readonly place: S3Place;
  /** With the query. */
  readonly path: string;
  /** The Host header too. */
  readonly headers: Readonly<Record<string, string>>;
  /** In errors. */
  readonly doing: string;
}

export interface RawAnswer {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly length: number;
  /** `length` bytes. A chunk is whole until the next one is asked for. */
  readonly body: ObjectBody['bytes'] & { destroy(): void };
}

const bufferBytes = 256 << 10;
const headBytes = 32 << 10;
const headEnd = Buffer.from('\r\n\r\n');

export class RawGets {
  readonly #silenceMs: number;
  readonly #free: RawConnection[] = [];

  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  /** Undefined: ask in the usual way. Rejects as `ObjectStore`. */
  async get(request: RawRequest, signal: AbortSignal): Promise<RawAnswer | undefined> {
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    if (![request.path, ...Object.values(request.headers)].every((text) => /^[\x20-\x7e]*$/.test(text)))
      return undefined;
    const text = `GET ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`;
    for (;;) {
      throwIfAborted(signal);
      const used = this.#free.pop();
      const connection = used ?? new RawConnection(request.place, this.#silenceMs);
      const stop = (): void => connection.destroy();
      signal.addEventListener('abort', stop, { once: true });
      try {
        const head = await connection.ask(text);
        if (head !== undefined) return this.#answerOf(connection, head, request.doing);
        connection.destroy();
        throwIfAborted(signal);
        // A connection that was idle may have been closed meanwhile.
        if (used === undefined) return undefined;
      } catch (error) {
        connection.destroy();
        throwIfAborted(signal);
        if (used === undefined) throw s3Error(error, request.doing);
      } finally {
        signal.removeEventListener('abort', stop);
      }
    }
  }

  #answerOf(connection: RawConnection, head: RawHead, doing: string): RawAnswer | undefined {
    const { status, headers, rest } = head;
    const length = /^\d{1,15}$/.test(headers['content-length'] ?? '') ? Number(headers['content-length']) : undefined;
    if (status !== 206 || length === undefined || headers['transfer-encoding'] !== undefined) {
      connection.destroy();
      // To ask a service again at once that wants to be left alone would be wrong.
      if (status === 429 || status >= 500)
        throw s3Error(Object.assign(new Error(''), { name: '', $metadata: { httpStatusCode: status } }), doing);
      return undefined;
    }
    const keep = (headers['connection'] ?? '').toLowerCase() !== 'close';
    const free = this.#free;
    let given = false;
    const body = {
      destroy: () => {
        // Somebody else may be using it by now.
        if (!given) connection.destroy();
      },
      async *[Symbol.asyncIterator]() {
        let left = length;
        let chunk: Buffer | undefined = rest;
        while (left > 0 && chunk !== undefined && chunk.length <= left) {
          left -= chunk.length;
          if (chunk.length > 0) yield chunk;
          if (left > 0) chunk = await connection.read();
        }
        if (left > 0)
          throw Object.assign(new Error(`the connection ended ${left} bytes before the end`), { code: 'ECONNRESET' });
        given = keep;
        if (given) free.push(connection.idle());
      },
    };
    return { headers, length, body };
  }
}

interface RawHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What came behind it. */
  readonly rest: Buffer;
}

class RawConnection {
  readonly #socket: Socket;
  readonly #buffer = Buffer.allocUnsafe(bufferBytes);
  #filled = 0;
  #error: Error | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor({ protocol, hostname, port }: S3Place, silenceMs: number) {
    const host = hostname.replace(/^\[|\]$/g, '');
    const onread = {
      buffer: this.#buffer,
      callback: (bytes: number): boolean => {
        this.#filled = bytes;
        this.#wake?.();
        // Until it is read.
        return false;
      },
    };
    // The type of the other one's options lacks `onread`, which goes to the socket below.
    const tls = { host, port: port ?? 443, servername: isIP(host) === 0 ? host : '', onread };
    this.#socket = protocol === 'https:' ? connectTls(tls) : connectPlain({ host, port: port ?? 80, onread });
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(silenceMs, () => {
      this.#socket.destroy(
        Object.assign(new Error(`no byte came for ${silenceMs / 1000} s`), { name: 'TimeoutError' }),
      );
    });
    this.#socket.on('error', (error) => {
      this.#error = error;
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    this.#socket.on('end', end).on('close', end);
  }

  /** Sends a request; the head of its answer, undefined if there is none that can be understood. */
  async ask(text: string): Promise<RawHead | undefined> {
    this.#socket.ref();
    this.#socket.write(text, 'latin1');
    let head: Buffer = Buffer.alloc(0);
    for (;;) {
      const chunk = await this.read();
      if (chunk === undefined) return undefined;
      const before = head.length;
      head = Buffer.concat([head, chunk.subarray(0, headBytes)]);
      const end = head.indexOf(headEnd);
      if (end >= 0) return headOf(head.toString('latin1', 0, end), chunk.subarray(end + headEnd.length - before));
      if (before + chunk.length > headBytes) return undefined;
    }
  }

  /** The next bytes, whole until this is called again; undefined at the end. Rejects with what broke the connection. */
  async read(): Promise<Buffer | undefined> {
    this.#filled = 0;
    if (!this.#ended) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#socket.resume();
      await woken;
      this.#wake = undefined;
    }
    if (this.#filled > 0) return this.#buffer.subarray(0, this.#filled);
    if (this.#error !== undefined) throw this.#error;
    return undefined;
  }

  /** Nobody waits for it: it keeps no process alive. */
  idle(): this {
    this.#socket.unref();
    return this;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function headOf(text: string, rest: Buffer): RawHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    // A name that comes twice, a line that goes on, or what is none: not for here.
    if (colon <= 0 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) || headers[name] !== undefined) return undefined;
    headers[name] = line.slice(colon + 1).trim();
  }
  return { status: Number(status), headers, rest };
}
