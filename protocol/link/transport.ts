/** WebSockets over unix sockets: how links travel, on one machine or through an ssh forward. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { TowError } from '../base/errors.ts';
import { maxFrameBytes } from './frame.ts';

/** A unix socket's path may have this many bytes (sun_path of Linux, less its NUL). */
export const maxSocketPathBytes = 107;

const dialTimeoutMs = 10_000;

/** Connects to a unix socket and upgrades. Rejects with `link-lost` when nobody answers there. */
export async function dialUnix(path: string, signal: AbortSignal): Promise<WebSocket> {
  const socket = new WebSocket('ws://link/', {
    createConnection: () => createConnection(path),
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
    handshakeTimeout: dialTimeoutMs,
    skipUTF8Validation: true,
  });
  return await new Promise<WebSocket>((resolve, reject) => {
    const abort = (): void => socket.terminate();
    signal.addEventListener('abort', abort, { once: true });
    const settle = (): void => signal.removeEventListener('abort', abort);
    socket.once('open', () => {
      settle();
      resolve(socket);
    });
    socket.on('error', (cause) => {
      settle();
      reject(new TowError('link-lost', `cannot dial ${path}`, { cause, retryable: true }));
    });
  });
}

/** Connections that may be shaking hands at once. */
const maxConnections = 256;

/** Listens on a unix socket (0600 in a 0700 directory), taking the place of a stale one. Rejects when the path is too long. */
export async function listenUnix(path: string, onSocket: (socket: WebSocket) => void): Promise<AsyncDisposable> {
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new TowError(
      'io',
      `${path} is too long for a unix socket: ${Buffer.byteLength(path)} of ${maxSocketPathBytes} bytes`,
      { hint: 'use a home directory with a shorter path' },
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  const server = createServer((_request, response) => response.writeHead(426).end());
  server.maxConnections = maxConnections;
  const sockets = new WebSocketServer({
    server,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
    skipUTF8Validation: true,
  });
  sockets.on('connection', (socket) => {
    // Until a session listens, a failing socket must not take the process down.
    socket.on('error', () => socket.terminate());
    onSocket(socket);
  });
  await listen(server, path);
  chmodSync(path, 0o600);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
