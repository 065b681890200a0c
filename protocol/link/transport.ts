/** WebSockets over unix sockets and whatever else carries bytes both ways: how links travel. */
import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { raceSignal, throwIfAborted } from '../base/abort.ts';
import { errnoOf, TowError } from '../base/errors.ts';
import { maxFrameBytes } from './frame.ts';
import { guardHandshake } from './guard-handshake.ts';

/** A unix socket's path may have this many bytes (sun_path of Linux, less its NUL). */
export const maxSocketPathBytes = 107;

const dialTimeoutMs = 10_000;
/** Connections that may be open at once. */
const maxConnections = 1024;

const socketOptions = { maxPayload: maxFrameBytes, perMessageDeflate: false, skipUTF8Validation: true } as const;

/** Connects to a unix socket and upgrades. Rejects with `link-lost` when nobody answers there within 10 s. */
export async function dialUnix(path: string, signal: AbortSignal): Promise<WebSocket> {
  return await dialOver(() => createConnection(path), path, signal);
}

/** Upgrades a connection that is being made; `where` names its other end in errors. */
export async function dialOver(connect: () => Duplex, where: string, signal: AbortSignal): Promise<WebSocket> {
  throwIfAborted(signal);
  const socket = new WebSocket('ws://link/', {
    ...socketOptions,
    createConnection: connect,
    handshakeTimeout: dialTimeoutMs,
    // Masks keep web proxies from taking a browser's data for requests. Here are none; a mask of zero costs nothing.
    generateMask: (mask) => mask.fill(0),
  });
  const opened = new Promise<WebSocket>((resolve, reject) => {
    socket.once('upgrade', ({ socket: connection }) => guardHandshake(connection, socket));
    socket.once('open', () => resolve(socket));
    // Stays until a session listens: a failing socket without a listener would end the process.
    socket.on('error', (cause) =>
      reject(new TowError('link-lost', `cannot dial ${where}`, { cause, retryable: true })),
    );
  });
  try {
    return await raceSignal(opened, signal);
  } catch (error) {
    socket.terminate();
    throw error;
  }
}

/** An HTTP server that upgrades every connection it is given (`emit('connection', duplex)`) or listens for. */
export function linkServer(onSocket: (socket: WebSocket) => void): Server {
  const server = createServer((_request, response) => response.writeHead(426).end());
  server.maxConnections = maxConnections;
  const sockets = new WebSocketServer({ ...socketOptions, server });
  sockets.on('connection', (socket, { socket: connection }) => {
    socket.on('error', () => socket.terminate());
    guardHandshake(connection, socket);
    onSocket(socket);
  });
  return server;
}

/**
 * Listens on a unix socket (0600, in a directory made 0700), taking the place of one that nobody listens on. Rejects
 * with `controller-busy` when somebody does. Disposing of it cuts the connections.
 */
export async function listenUnix(path: string, onSocket: (socket: WebSocket) => void): Promise<AsyncDisposable> {
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new TowError(
      'io',
      `${path} is too long for a unix socket: ${Buffer.byteLength(path)} of ${maxSocketPathBytes} bytes`,
      { hint: 'use a home directory with a shorter path' },
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (await isAlive(path)) throw new TowError('controller-busy', `somebody listens on ${path} already`);
  rmSync(path, { force: true });
  const connections = new Set<WebSocket>();
  const server = linkServer((socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    onSocket(socket);
  });
  await listen(server, path);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of connections) socket.terminate();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function isAlive(path: string): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => resolve(!['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'].includes(errnoOf(error) ?? '')));
  });
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // The socket is made by the time `listen` returns, and is never anything but 0600.
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}
