import type { WebSocket } from 'ws';
import { systemClock } from '../base/clock.ts';
import type { MethodTable } from '../wire/method.ts';
import { type DialHandshake, dialHandshake, type ListenHandshake, listenHandshake } from './handshake.ts';
import type { Link } from './link.ts';
import { LinkSession, type SessionParts } from './link-session.ts';

/** Authenticates over a connected socket and starts to serve: the side that dialled. Closes the socket on failure. */
export async function openLink<L extends MethodTable, R extends MethodTable>(
  socket: WebSocket,
  options: DialHandshake & SessionParts<L, R>,
  signal: AbortSignal,
): Promise<Link<R>> {
  const greeted = await dialHandshake(socket, options, signal);
  return new LinkSession(socket, greeted, options, options.clock ?? systemClock);
}

/** The side that listened; `partsFor` says what is served to a peer once it is known who it is. */
export async function acceptLink<L extends MethodTable, R extends MethodTable>(
  socket: WebSocket,
  options: ListenHandshake & { partsFor(keyId: string): SessionParts<L, R> },
  signal: AbortSignal,
): Promise<Link<R>> {
  const greeted = await listenHandshake(socket, options, signal);
  const parts = options.partsFor(greeted.result.keyId);
  return new LinkSession(socket, greeted, parts, options.clock ?? systemClock);
}
