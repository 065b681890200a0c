import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { limits } from '../wire/limits.ts';
import { handshakeMessages } from './handshake-wire.ts';

/** One read of the transport, which may carry the start of what comes behind a message. */
const readBytes = 64 << 10;
const longestHeaderBytes = 14;

/**
 * Keeps a peer that has proved nothing from making us hold a long message: ws gathers one up to the limit of an
 * authenticated link. Cuts the connection once more has come in than a handshake message and one read. Ends by itself
 * behind the last handshake message.
 */
export function guardHandshake(connection: Duplex, socket: WebSocket): void {
  let pending = 0;
  let messages = 0;
  const onData = (bytes: Buffer): void => {
    pending += bytes.length;
    if (pending > limits.handshakeFrameBytes + longestHeaderBytes + readBytes) socket.terminate();
  };
  const onMessage = (): void => {
    pending = 0;
    messages += 1;
    if (messages < handshakeMessages) return;
    connection.off('data', onData);
    socket.off('message', onMessage);
  };
  connection.on('data', onData);
  socket.on('message', onMessage);
}
