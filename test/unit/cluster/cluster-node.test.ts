import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ClusterNode, type NodeCarrier } from '../../../controller/cluster/cluster-node.ts';
import type { CommandContext } from '../../../controller/daemon/context.ts';
import type { Link } from '../../../protocol/link/link.ts';
import type { AgentMethods } from '../../../protocol/wire/methods.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const never = new AbortController().signal;
const context: CommandContext = { cwd: '/', env: {}, signal: never, emit: () => undefined, login: undefined };

/** A node whose agent is started `revive` times; what becomes of each start is the test's. */
function nodeWith(
  revive: (node: ClusterNode, times: number) => void,
  wake?: (signal: AbortSignal) => Promise<void>,
): {
  node: ClusterNode;
  starts: () => number;
  woken: () => number;
} {
  let times = 0;
  let woken = 0;
  const carrier: NodeCarrier = {
    create: async () => undefined,
    revive: async () => revive(node, (times += 1)),
    wake:
      wake ??
      (async () => {
        woken += 1;
        revive(node, (times += 1));
      }),
    reserve: async () => false,
    remove: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const identity = {
    keyId: 'k',
    secret: '0'.repeat(64),
    controller: { id: 'c', name: 'me@laptop' },
    cluster: 'dev',
    node: 'head',
    link: { kind: 'run-dir' } as const,
  };
  const node: ClusterNode = new ClusterNode({ name: 'head', identity }, 0, carrier, 'this build');
  return { node, starts: () => times, woken: () => woken };
}

function linkOf(build: string): Link<AgentMethods> {
  return {
    peer: { keyId: 'k', version: 1, build, capabilities: [] },
    closed: new Promise(() => undefined),
    call: async () => {
      throw new Error('nothing is called');
    },
    roundTripMs: undefined,
    measured: Promise.resolve(),
    bytesSent: 0,
    bytesReceived: 0,
    close: () => undefined,
  };
}

test('an agent that died when it had just been started is started once more, within the same wait', async () => {
  const { node, starts, woken } = nodeWith((self, times) => {
    if (times === 2) setTimeout(() => self.session.attach(linkOf('this build')), 300);
  });
  const link = node.link(context, never);
  await vi.advanceTimersByTimeAsync(10_000);
  await expect(link).resolves.toMatchObject({ peer: { build: 'this build' } });
  // One that is there, and only late, is not to be ended.
  expect([starts(), woken()]).toEqual([2, 1]);
});

test('one that dials late is not started again', async () => {
  const { node, starts } = nodeWith((self) => void setTimeout(() => self.session.attach(linkOf('this build')), 7000));
  const link = node.link(context, never);
  await vi.advanceTimersByTimeAsync(10_000);
  await expect(link).resolves.toMatchObject({ peer: { build: 'this build' } });
  expect(starts()).toBe(1);
});

test('one of another build that dials meanwhile is sent away, and the next one counts', async () => {
  const { node } = nodeWith((self) => {
    setTimeout(() => self.session.attach(linkOf('old')), 100);
    setTimeout(() => self.session.attach(linkOf('this build')), 200);
  });
  const link = node.link(context, never);
  await vi.advanceTimersByTimeAsync(2000);
  await expect(link).resolves.toMatchObject({ peer: { build: 'this build' } });
});

test('a node that stays silent is an error after 20 s', async () => {
  const { node } = nodeWith(() => undefined);
  const link = expect(node.link(context, never)).rejects.toMatchObject({
    code: 'agent-unreachable',
    hint: expect.stringContaining('tow check'),
  });
  await vi.advanceTimersByTimeAsync(30_000);
  await link;
});

test('who waits for as long as it takes has an agent that died started again, less and less often', async () => {
  const { node, woken } = nodeWith((self, times) => {
    if (times === 4) self.session.attach(linkOf('this build'));
  });
  const link = node.returned(never);
  await vi.advanceTimersByTimeAsync(7000);
  expect(woken()).toBe(0);
  await vi.advanceTimersByTimeAsync(8000 + 16_000);
  expect(woken()).toBe(2);
  await vi.advanceTimersByTimeAsync(32_000 + 64_000);
  await expect(link).resolves.toMatchObject({ peer: { build: 'this build' } });
});

test('nobody waits for a node that was taken out of its cluster, nor starts its agent', async () => {
  const { node, woken } = nodeWith(() => undefined);
  const link = expect(node.returned(never)).rejects.toMatchObject({ code: 'cancelled' });
  await vi.advanceTimersByTimeAsync(1000);
  await node.remove(context, false);
  await link;
  await expect(node.returned(never)).rejects.toMatchObject({ code: 'cancelled' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(woken()).toBe(0);
});

test('a command does not wait for a start that nobody asked for, and starts the agent itself', async () => {
  let woken: AbortSignal | undefined;
  const { node, starts } = nodeWith(
    (self) => self.session.attach(linkOf('this build')),
    (signal) => {
      woken = signal;
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
    },
  );
  const waits = node.returned(never);
  await vi.advanceTimersByTimeAsync(9000);
  expect(woken?.aborted).toBe(false);
  const link = node.link(context, never);
  await vi.advanceTimersByTimeAsync(2000);
  await expect(link).resolves.toMatchObject({ peer: { build: 'this build' } });
  expect([woken?.aborted, starts()]).toEqual([true, 1]);
  await expect(waits).resolves.toMatchObject({ peer: { build: 'this build' } });
});
