import { cancelled, throwIfAborted } from '../../base/abort.ts';
import { TowError } from '../../base/errors.ts';
import type { GetOptions, ObjectBody, ObjectHead } from '../object-store.ts';
import { ReceivedBytes } from './received-bytes.ts';

/** Where a call that gives an object puts what comes. */
export interface BodySink {
  /** Once, before the first frame. */
  readonly onHead: (head: ObjectHead) => void;
  readonly onData: (frame: Buffer) => Promise<void>;
}

/**
 * An object that comes by a call of a link: `begin` makes it. Resolves with the first that it says of it. It is cancelled
 * when nobody reads on. Rejects as `begin`, before there is a head; after that the bytes do.
 */
export async function receiveBody(
  what: string,
  range: GetOptions['range'],
  begin: (sink: BodySink, signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<ObjectBody> {
  const received = new ReceivedBytes();
  const stop = new AbortController();
  throwIfAborted(signal);
  const onAbort = (): void => {
    stop.abort(signal.reason);
    received.fail(cancelled());
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const head = await new Promise<ObjectHead>((resolve, reject) => {
    const calling = begin({ onHead: resolve, onData: async (frame) => await received.take(frame) }, stop.signal);
    calling
      .then(
        () => received.end(),
        (error: unknown) => received.fail(error),
      )
      .finally(() => signal.removeEventListener('abort', onAbort));
    // Too late once there is a head: then whoever reads the bytes is told.
    calling.then(() => reject(new TowError('store-failed', `${what} came without its head`)), reject);
  });
  const start = range?.start ?? 0;
  const expected = Math.max(0, Math.min(range?.end ?? head.size, head.size) - start);
  return { head, bytes: received.read(expected, () => stop.abort()) };
}
