/** Two ends of a real link, serving a small table of methods. */
import * as v from 'valibot';
import type { WebSocket } from 'ws';
import type { Clock } from '../../protocol/base/clock.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { acceptLink, openLink } from '../../protocol/link/open-link.ts';
import { method } from '../../protocol/wire/method.ts';
import { socketPair, type Transport } from './socket-pair.ts';

export const testMethods = {
  echo: method(v.object({ text: v.string() }), v.number(), v.object({ text: v.string() })),
  pour: method(v.object({ frames: v.number(), bytes: v.number() }), v.never(), v.object({}), true),
  hang: method(v.object({}), v.never(), v.object({})),
} as const;
export type TestMethods = typeof testMethods;

export const secret = Buffer.alloc(32, 7);
export const never = new AbortController().signal;

export interface LinkPair extends AsyncDisposable {
  readonly agent: Link<TestMethods>;
  readonly controller: Link<TestMethods>;
  readonly sockets: { readonly agent: WebSocket; readonly controller: WebSocket };
}

export interface PairOptions {
  readonly handlers: Handlers<TestMethods>;
  readonly transport?: Transport;
  readonly agentSecret?: Uint8Array;
  readonly agentKey?: string;
  readonly clock?: Clock;
}

/** Rejects with the dialling side's failure, or the listening side's if it alone failed. */
export async function linkPair(options: PairOptions): Promise<LinkPair> {
  const { agentSecret = secret, agentKey = 'key', handlers, transport } = options;
  const clock = options.clock === undefined ? {} : { clock: options.clock };
  const sockets = await socketPair(transport);
  const parts = { local: testMethods, remote: testMethods, handlers };
  const [agent, controller] = await Promise.allSettled([
    openLink(sockets.dialler, { ...parts, ...clock, keyId: agentKey, secret: agentSecret, build: 'b1' }, never),
    acceptLink(sockets.listener, { ...clock, secretOf, build: 'b2', partsFor: () => parts }, never),
  ]);
  if (agent.status === 'rejected' || controller.status === 'rejected') {
    await sockets[Symbol.asyncDispose]();
    throw agent.status === 'rejected' ? agent.reason : controller.status === 'rejected' ? controller.reason : undefined;
  }
  return {
    agent: agent.value,
    controller: controller.value,
    sockets: { agent: sockets.dialler, controller: sockets.listener },
    [Symbol.asyncDispose]: async () => await sockets[Symbol.asyncDispose](),
  };
}

export function secretOf(keyId: string): Uint8Array | undefined {
  return keyId === 'key' ? secret : undefined;
}
