import { addToPool } from '../../cluster/add-to-pool.ts';
import { hostsOfPool, readPools } from '../../cluster/pools.ts';
import type { SshHost } from '../../cluster/ssh/ssh-host.ts';
import type { CommandRun } from '../command-result.ts';
import type { CommandContext } from '../context.ts';
import type { Controller } from '../controller.ts';
import { homeOf } from './task-run.ts';

/** Every host of every pool, and the cluster that has it. */
export const poolLs: CommandRun<'pool-ls'> = async (_command, context, controller) => {
  const { pools } = await readPools(homeOf(context, controller));
  for (const hosts of pools.values()) show(hosts, context, controller);
  return {
    summary: {
      command: 'pool ls',
      ...(pools.size === 0 ? { text: 'no pools yet: tow pool add NAME HOST… makes one' } : {}),
    },
  };
};

export const poolAdd: CommandRun<'pool-add'> = async (
  { pool, hosts, user, identityFile, port },
  context,
  controller,
) => {
  const pools = await addToPool(homeOf(context, controller), { pool, hosts, user, identityFile, port }, context.cwd);
  show(hostsOfPool(pools, pool), context, controller);
  return { summary: { command: 'pool add', text: `tow launch -c NAME --infra ssh/${pool} uses them` } };
};

function show(hosts: readonly SshHost[], context: CommandContext, controller: Controller): void {
  for (const host of hosts) {
    context.emit({
      type: 'data',
      kind: 'host',
      pool: host.pool,
      host: host.host,
      user: host.user,
      port: host.port,
      cluster: controller.registry.clusterOfHost(host),
    });
  }
}
