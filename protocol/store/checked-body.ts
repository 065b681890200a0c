import { throwIfAborted } from '../base/abort.ts';
import { TowError } from '../base/errors.ts';

/**
 * The bytes of a response, to be read once: `expected` of them, no fewer and no more, where that was said. Whatever ends
 * the reading lets go of the connection. Rejects with `store-unreachable`, retryable, and with the signal's reason.
 */
export async function* checkedBody(
  body: AsyncIterable<unknown> & { destroy(): void },
  expected: number | undefined,
  doing: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = (): void => body.destroy();
  signal.addEventListener('abort', stop, { once: true });
  let seen = 0;
  try {
    throwIfAborted(signal);
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) throw new TowError('internal', `${doing}: a body that is no bytes`);
      seen += chunk.byteLength;
      if (expected !== undefined && seen > expected) break;
      yield chunk;
    }
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof TowError) throw error;
    throw new TowError(
      'store-unreachable',
      `${doing}: the connection broke after ${seen} of ${expected ?? 'some'} bytes`,
      {
        cause: error,
        retryable: true,
      },
    );
  } finally {
    signal.removeEventListener('abort', stop);
    body.destroy();
  }
  throwIfAborted(signal);
  if (expected !== undefined && seen !== expected)
    throw new TowError(
      'store-unreachable',
      `${doing}: ${seen > expected ? 'more' : 'only'} ${seen} bytes came, ${expected} were promised`,
      { retryable: true },
    );
}
