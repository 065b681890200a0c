import { rm } from 'node:fs/promises';
import type { CommandContext } from '../../daemon/context.ts';
import type { NodeCarrier } from '../cluster-node.ts';
import type { NodeState } from '../cluster-state.ts';
import { type LocalNodeOptions, startLocalAgent, startLocalNode, stopLocalAgent } from './local-node.ts';

/** A node that is a process on this machine. `onChange` is told what is learnt when it starts. */
export function localCarrier(
  state: NodeState,
  home: string,
  bundle: string,
  onPrivateTmp: (privateTmp: boolean) => void,
): NodeCarrier {
  const options: LocalNodeOptions = { home, identity: state.identity, bundle };
  const start = async (run: typeof startLocalNode, { signal }: CommandContext): Promise<void> => {
    onPrivateTmp((await run(options, signal)).privateTmp);
  };
  return {
    create: (context) => start(startLocalNode, context),
    revive: async (context) => {
      await stopLocalAgent(options, context.signal);
      await start(startLocalAgent, context);
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
