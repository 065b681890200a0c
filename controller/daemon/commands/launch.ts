import { TowError } from '../../../protocol/base/errors.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { parseClusterName } from '../../cluster/cluster-name.ts';
import { hostsOfPool, readPools } from '../../cluster/pools.ts';
import { loadTask } from '../../task/load-task.ts';
import { refuseUnbuilt, type Task } from '../../task/task.ts';
import { parseViaUri } from '../../via/via.ts';
import type { CommandRun } from '../command-result.ts';
import type { CommandContext } from '../context.ts';
import type { Controller } from '../controller.ts';
import {
  homeOf,
  openRoots,
  openVia,
  reachAndLook,
  showPlan,
  syncAndRun,
  syncCluster,
  takeTurn,
  workdirOf,
} from './task-run.ts';

/** Makes or reuses the cluster, syncs workdir and every file mount to all nodes, runs setup on all, then the job. */
export const launch: CommandRun<'launch'> = async (command, context, controller) => {
  const name = parseClusterName(command.cluster);
  const task = await loadTask(command.task, context);
  for (const warning of task.warnings) context.emit({ type: 'note', level: 'warning', text: warning });
  refuseUnbuilt(task);
  // A mistake in it is told before anything is made.
  const uri = command.via === undefined ? undefined : parseViaUri(command.via);
  const via = uri === undefined ? undefined : openVia(uri, task.sync.credentials, context, controller);
  const infra = command.infra ?? task.infra;
  const numNodes = command.numNodes ?? task.numNodes;
  const known = controller.registry.find(name);
  known?.checkFits(infra, numNodes);
  const roots = await openRoots(
    {
      workdir: workdirOf(task, command.task, undefined),
      mounts: task.fileMounts,
      sendGit: task.sync.git,
      mirror: task.sync.mirror,
      fetch: task.sync.fetch,
      credentials: task.sync.credentials,
    },
    context,
    controller,
  );
  if (command.dryrun) {
    await showPlan(roots, command.task, context);
    return {
      summary: {
        command: 'launch',
        text: known === undefined ? `cluster ${name} would be made` : `cluster ${name} would be reused`,
      },
    };
  }
  const cluster = known ?? (await create(name, infra, numNodes ?? 1, command.takeOver, context, controller));
  const turn = await takeTurn(cluster, context, controller);
  try {
    const ahead = await reachAndLook(cluster, roots, command.task, context);
    const setup = command.noSetup ? undefined : task.setup;
    if (setup === undefined && task.run === undefined) {
      const sync = await syncCluster(cluster, roots, command.task, context, controller, ahead, via);
      return { summary: { command: 'launch', ...(sync === undefined ? {} : { sync }) } };
    }
    return await syncAndRun(
      {
        command: 'launch',
        cluster,
        roots,
        ahead,
        options: command.task,
        task,
        setup,
        numNodes: jobNodes(task, command.numNodes, cluster),
        detach: command.detach,
        turn,
        via,
      },
      context,
      controller,
    );
  } finally {
    turn.endUnlessGiven();
  }
};

/** A job runs on as many nodes as it asks for, else on all. */
function jobNodes(task: Task, asked: number | undefined, cluster: Cluster): number {
  return asked ?? task.numNodes ?? cluster.nodes.length;
}

async function create(
  name: string,
  infra: string | undefined,
  numNodes: number,
  takeOver: boolean,
  context: CommandContext,
  controller: Controller,
): Promise<Cluster> {
  const where = infra ?? (await defaultInfra(context, controller));
  if (where === 'local') {
    const cluster = await controller.registry.create({ name, infra: where, numNodes, hosts: [], takeOver }, context);
    await controller.jobs.load(cluster);
    return cluster;
  }
  const pool = /^ssh\/(.+)$/.exec(where)?.[1];
  if (pool === undefined)
    throw new TowError('usage', `there is no infra ${where}`, {
      hint: 'infra is local, or ssh/POOL with a pool of tow pool ls',
    });
  const hosts = hostsOfPool(await readPools(homeOf(context, controller)), pool);
  const cluster = await controller.registry.create({ name, infra: where, numNodes, hosts, takeOver }, context);
  await controller.jobs.load(cluster);
  return cluster;
}

/** `local` when no pool is set up, the pool when there is one. */
async function defaultInfra(context: CommandContext, controller: Controller): Promise<string> {
  const pools = [...(await readPools(homeOf(context, controller))).pools.keys()];
  const [only, second] = pools;
  if (only === undefined) return 'local';
  if (second === undefined) return `ssh/${only}`;
  throw new TowError('usage', `there are ${pools.length} pools: say which`, {
    hint: `--infra ssh/${only}, or --infra local`,
  });
}
