/**
 * A connection that speaks HTTP/1.1, past Node's client: one buffer, which the socket fills and its reader empties. It takes
 * one request after the other, and understands plain heads alone; whatever else comes is for the client that knows it all.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
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

export interface RawHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** What came behind it. */
  readonly rest: Buffer;
}

export interface RawTimes {
  /** Milliseconds without a byte, either way, after which it ends. */
  readonly silenceMs: number;
  /** Milliseconds for it to come about, if those are fewer. */
  readonly connectMs: number;
}

const headBytes = 32 << 10;
const headEnd = Buffer.from('\r\n\r\n');

/** The head of a request; undefined for what a plain one cannot say. */
export function requestHead(method: string, { path, headers }: RawRequest): string | undefined {
  let text = `${method} ${path} HTTP/1.1\r\n`;
  if (!/^[\x21-\x7e]+$/.test(path)) return undefined;
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (!tokens.test(name) || !/^[\x20-\x7e]*$/.test(value)) return undefined;
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

export class RawConnection {
  readonly #socket: Socket;
  readonly #buffer: Buffer;
  #filled = 0;
  #error: Error | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  /** `bufferBytes` are read at a time. */
  constructor({ protocol, hostname, port }: S3Place, { silenceMs, connectMs }: RawTimes, bufferBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(bufferBytes);
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
    this.#socket.setTimeout(Math.min(silenceMs, connectMs));
    this.#socket.once('connect', () => this.#socket.setTimeout(silenceMs));
    this.#socket.on('timeout', () => {
      const what = this.#socket.connecting
        ? `no connection came about in ${connectMs / 1000} s`
        : `no byte came for ${silenceMs / 1000} s`;
      this.#socket.destroy(Object.assign(new Error(what), { name: 'TimeoutError' }));
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

  /** Whether the other side has not closed it, as far as is known. */
  get isOpen(): boolean {
    return !this.#ended && !this.#socket.destroyed;
  }

  /** Sends a request; the head of its answer, undefined if there is none that can be understood. Rejects with what broke it. */
  async ask(text: string, body?: Uint8Array): Promise<RawHead | undefined> {
    this.#socket.ref();
    this.#socket.cork();
    this.#socket.write(text, 'latin1');
    if (body !== undefined && body.byteLength > 0) this.#socket.write(body);
    this.#socket.uncork();
    let head: Buffer = Buffer.alloc(0);
    for (;;) {
      const chunk = await this.read();
      if (chunk === undefined) return undefined;
      const before = head.length;
      head = before === 0 ? chunk : Buffer.concat([head, chunk.subarray(0, headBytes)]);
      const end = head.indexOf(headEnd);
      if (end >= 0) return headOf(head.toString('latin1', 0, end), chunk.subarray(end + headEnd.length - before));
      if (head.length > headBytes) return undefined;
      if (before === 0) head = Buffer.from(chunk);
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

  /** Nobody waits for it: it keeps no process alive. It listens on, to know when the other side closes it. */
  idle(): this {
    this.#socket.unref();
    // What nobody asked for belongs to no answer.
    this.#wake = () => this.#socket.destroy();
    this.#socket.resume();
    return this;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

const tokens = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

function headOf(text: string, rest: Buffer): RawHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    // A name that comes twice, a line that goes on, or what is none: not for here.
    if (colon <= 0 || !tokens.test(name) || headers[name] !== undefined) return undefined;
    headers[name] = line.slice(colon + 1).trim();
  }
  return { status: Number(status), headers, rest };
}
