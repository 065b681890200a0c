/** Links between nodes: WebSockets over TLS, between two ends that were told of one certificate. */
import { isIPv6 } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { WebSocket } from 'ws';
import { raceSignal, throwIfAborted } from '../base/abort.ts';
import { TowError } from '../base/errors.ts';
import { dialOver, linkServer } from './transport.ts';

const connectTimeoutMs = 5000;

export interface TlsListenOptions {
  readonly address: string;
  /** Both PEM. */
  readonly certificate: string;
  readonly privateKey: string;
}

/** Listens at `address`, on a port that was free. Rejects with `io`. Disposing of it cuts the connections. */
export async function listenTls(
  { address, certificate, privateKey }: TlsListenOptions,
  onSocket: (socket: WebSocket) => void,
): Promise<AsyncDisposable & { readonly port: number }> {
  const connections = new Set<TLSSocket>();
  const links = linkServer(onSocket);
  const server = createServer({ cert: certificate, key: privateKey, minVersion: 'TLSv1.3' }, (socket) => {
    connections.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => connections.delete(socket));
    socket.setNoDelay(true);
    links.emit('connection', socket);
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new TowError('io', `cannot listen at ${address}`, { cause })));
    server.listen(0, address, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new TowError('internal', 'a server without a port');
  return {
    port: bound.port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of connections) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export interface TlsDialOptions {
  readonly address: string;
  readonly port: number;
  /** PEM: nothing is said to whoever has not got its key. */
  readonly certificate: string;
}

/** Connects and upgrades. Rejects with `link-lost` when nobody answers there within 5 s, or somebody else does. */
export async function dialTls({ address, port, certificate }: TlsDialOptions, signal: AbortSignal): Promise<WebSocket> {
  throwIfAborted(signal);
  const where = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  // The certificate is the only one that is trusted, and its name says nothing.
  const socket = connect({
    host: address,
    port,
    ca: certificate,
    minVersion: 'TLSv1.3',
    checkServerIdentity: () => undefined,
  });
  socket.setNoDelay(true);
  const timer = setTimeout(
    () => socket.destroy(new Error(`no answer within ${connectTimeoutMs / 1000} s`)),
    connectTimeoutMs,
  );
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    // Stays: what fails later is told by the WebSocket that lies on it.
    socket.on('error', (cause) =>
      reject(new TowError('link-lost', `cannot dial ${where}: ${cause.message}`, { cause, retryable: true })),
    );
  });
  try {
    await raceSignal(connected, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return await dialOver(() => socket, where, signal);
}
