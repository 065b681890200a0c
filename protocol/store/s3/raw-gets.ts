/**
 * Ranges of large objects, read past Node's HTTP client: each connection has one buffer, which the socket fills and its
 * reader empties. That client makes a new buffer for each 64 KiB and copies them, at a third of all that a copy costs.
 * Nothing but an answer of 206 with a length is understood here: whatever else comes is for the client that knows it all.
 */
import { throwIfAborted } from '../../base/abort.ts';
import type { ObjectBody } from '../object-store.ts';
import { RawConnection, type RawHead, type RawRequest, type RawTimes, requestHead } from './raw-connection.ts';
import { s3Error } from './s3-error.ts';

export interface RawAnswer {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly length: number;
  /** `length` bytes. A chunk is whole until the next one is asked for. */
  readonly body: ObjectBody['bytes'] & { destroy(): void };
}

const bufferBytes = 256 << 10;

export class RawGets {
  readonly #times: RawTimes;
  readonly #free: RawConnection[] = [];

  constructor(times: RawTimes) {
    this.#times = times;
  }

  /** Undefined: ask in the usual way. Rejects as `ObjectStore`. */
  async get(request: RawRequest, signal: AbortSignal): Promise<RawAnswer | undefined> {
    const text = requestHead('GET', request);
    if (text === undefined) return undefined;
    for (;;) {
      throwIfAborted(signal);
      const used = this.#free.pop();
      const connection = used ?? new RawConnection(request.place, this.#times, bufferBytes);
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
