/**
 * Small bodies sent past Node's HTTP client, which takes half of the processor time that sending one of 10 KB costs. A plain
 * answer of 2xx without a body is understood here, and that somebody refused, so that nothing was written.
 */
import { throwIfAborted } from '../../base/abort.ts';
import { RawConnection, type RawRequest, type RawTimes, requestHead } from './raw-connection.ts';
import { s3Error } from './s3-error.ts';

/** An answer is a head. */
const bufferBytes = 8 << 10;

export class RawPuts {
  readonly #times: RawTimes;
  readonly #free: RawConnection[] = [];
  /** Whether this service answers as is understood here. */
  #isPlain = true;

  constructor(times: RawTimes) {
    this.#times = times;
  }

  /**
   * The headers of an answer of 2xx. Undefined: nothing was written, ask in the usual way. Rejects as `ObjectStore`; with
   * `store-unreachable` also when it is not known what became of it.
   */
  async put(
    request: RawRequest,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>> | undefined> {
    const text = this.#isPlain ? requestHead('PUT', request) : undefined;
    if (text === undefined) return undefined;
    throwIfAborted(signal);
    let connection = this.#free.pop();
    while (connection?.isOpen === false) connection = this.#free.pop();
    const used = connection ?? new RawConnection(request.place, this.#times, bufferBytes);
    const stop = (): void => used.destroy();
    signal.addEventListener('abort', stop, { once: true });
    let keep = false;
    try {
      const head = await used.ask(text, body);
      if (head === undefined || head.status < 200) {
        // If it was closed without an answer, that says nothing of the next one.
        if (head !== undefined || used.isOpen) this.#isPlain = false;
        throw Object.assign(new Error('the connection ended before there was an answer'), { code: 'ECONNRESET' });
      }
      const { status, headers, rest } = head;
      // To ask a service again at once that wants to be left alone would be wrong.
      if (status === 429 || status >= 500)
        throw Object.assign(new Error(''), { name: '', $metadata: { httpStatusCode: status } });
      if (status >= 300) return undefined;
      keep = status === 204 || headers['content-length'] === '0';
      // Else there would be a connection for each.
      if (!keep) this.#isPlain = false;
      keep &&= rest.length === 0 && (headers['connection'] ?? '').toLowerCase() !== 'close';
      return headers;
    } catch (error) {
      throwIfAborted(signal);
      throw s3Error(error, request.doing);
    } finally {
      signal.removeEventListener('abort', stop);
      if (keep) this.#free.push(used.idle());
      else used.destroy();
    }
  }
}
