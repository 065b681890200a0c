import { lstat, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CommandContext } from '../../daemon/context.ts';
import type { NodeCarrier } from '../cluster-node.ts';
import type { NodeState } from '../cluster-state.ts';
import { readDestinations, writeDestinations } from './destinations.ts';
import { type LocalNodeOptions, startLocalAgent, startLocalNode, stopLocalAgent } from './local-node.ts';
import { privatePaths } from './private-root.ts';

/** A node that is a process on this machine. `onChange` is told what is learnt when it starts. */
export function localCarrier(
  state: NodeState,
  home: string,
  bundle: string,
  onPrivateRoot: (privateRoot: boolean) => void,
): NodeCarrier {
  const options: LocalNodeOptions = { home, identity: state.identity, bundle };
  const start = async (run: typeof startLocalNode, { signal }: Pick<CommandContext, 'signal'>): Promise<void> => {
    onPrivateRoot((await run(options, signal)).privateRoot);
  };
  return {
    create: (context) => start(startLocalNode, context),
    revive: async (context) => {
      await stopLocalAgent(options, context.signal);
      await start(startLocalAgent, context);
    },
    wake: (signal) => start(startLocalAgent, { signal }),
    reserve: async (destinations, context) => {
      const known = await readDestinations(home);
      const all = [...new Set([...known, ...destinations])];
      if (all.length === known.length) return false;
      if (!(await showsMore(known, all, [home, dirname(bundle)]))) {
        await writeDestinations(home, all);
        return false;
      }
      // The list changes only while no agent runs: what is in it, an agent that runs was started with.
      await stopLocalAgent(options, context.signal);
      await writeDestinations(home, all);
      await start(startLocalAgent, context);
      return true;
    },
    remove: async ({ signal }) => {
      await stopLocalAgent(options, signal);
      // The home of a local node was made by us, for this cluster alone.
      await rm(home, { recursive: true, force: true });
    },
    // The agent goes on, and dials the next controller.
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Whether the machine has something at a path that is not to be shown, and so far is. */
async function showsMore(
  known: readonly string[],
  all: readonly string[],
  needed: readonly string[],
): Promise<boolean> {
  const hidden = new Set((await privatePaths(known, needed)).own);
  const more = (await privatePaths(all, needed)).own.filter((path) => !hidden.has(path));
  const there = await Promise.all(
    more.map(async (path) => {
      try {
        await lstat(path);
        return true;
      } catch {
        return false;
      }
    }),
  );
  return there.includes(true);
}
