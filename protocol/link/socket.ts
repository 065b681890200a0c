import type { RawData, WebSocket } from 'ws';
import { TowError } from '../base/errors.ts';

/** One binary WebSocket message as a buffer; text messages are `undefined`. */
export function messageBytes(data: RawData, isBinary: boolean): Buffer | undefined {
  if (!isBinary) return undefined;
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/** A part this long goes out from where it lies; shorter ones are cheaper to copy than to send by themselves. */
const ownFragmentBytes = 64 << 10;

/**
 * Sends one binary message, given in parts; resolves when it was handed to the transport, so that waiting for it bounds
 * what is buffered, and the parts may be written to again.
 */
export async function sendMessage(socket: WebSocket, ...parts: readonly Uint8Array[]): Promise<void> {
  const last = parts.at(-1) ?? new Uint8Array();
  const apart = parts.length > 1 && last.length >= ownFragmentBytes;
  // Sent in one go, so no other message comes between its fragments.
  if (apart) socket.send(Buffer.concat(parts.slice(0, -1)), { binary: true, fin: false });
  await new Promise<void>((resolve, reject) => {
    socket.send(apart ? last : Buffer.concat(parts), { binary: true }, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(new TowError('link-lost', 'the link was lost while sending', { cause: error, retryable: true }));
    });
  });
}

/** How long a closed connection has to deliver its last words. */
const lingerMs = 1000;

/** Closes a connection: what was sent before still goes out if it can, then it is cut, whatever the peer does. */
export function closeSocket(socket: WebSocket): void {
  if (socket.readyState === socket.CLOSED) return;
  const timer = setTimeout(() => socket.terminate(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
  socket.close();
}
