/** Two ends of a real link over a unix socket, serving a small table of methods. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import type { WebSocket } from 'ws';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { acceptLink, openLink } from '../../protocol/link/open-link.ts';
import { dialUnix, listenUnix } from '../../protocol/link/transport.ts';
import { method } from '../../protocol/wire/method.ts';

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
  readonly agentSecret?: Uint8Array;
  readonly agentKey?: string;
  readonly handlers: Handlers<TestMethods>;
}

export async function linkPair({ agentSecret = secret, agentKey = 'key', handlers }: PairOptions): Promise<LinkPair> {
  const directory = mkdtempSync(join(tmpdir(), 'link-'));
  const path = join(directory, 's');
  let onSocket: (socket: WebSocket) => void = () => undefined;
  const accepted = new Promise<WebSocket>((resolve) => {
    onSocket = resolve;
  });
  const server = await listenUnix(path, (socket) => onSocket(socket));
  const parts = { local: testMethods, remote: testMethods, handlers };
  const dial = await dialUnix(path, never);
  const listen = await accepted;
  const [agent, controller] = await Promise.allSettled([
    openLink(dial, { ...parts, keyId: agentKey, secret: agentSecret, build: 'b1' }, never),
    acceptLink(
      listen,
      { secretOf: (key) => (key === 'key' ? secret : undefined), build: 'b2', partsFor: () => parts },
      never,
    ),
  ]);
  const dispose = async (): Promise<void> => {
    dial.terminate();
    await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  };
  if (agent.status === 'rejected' || controller.status === 'rejected') {
    await dispose();
    throw agent.status === 'rejected' ? agent.reason : controller.status === 'rejected' ? controller.reason : undefined;
  }
  return {
    agent: agent.value,
    controller: controller.value,
    sockets: { agent: dial, controller: listen },
    [Symbol.asyncDispose]: dispose,
  };
}
