import { TowError } from '../../../protocol/base/errors.ts';
import { loadTask } from '../../task/load-task.ts';
import { refuseUnbuilt } from '../../task/task.ts';
import type { CommandRun } from '../command-result.ts';
import { openRoots, reachAndLook, showPlan, syncAndRun, takeTurn, workdirOf } from './task-run.ts';

/** The agents pull the workdir as it is now, then run the job. No setup; file mounts only if asked. */
export const exec: CommandRun<'exec'> = async (command, context, controller) => {
  const cluster = controller.registry.get(command.cluster);
  const task = await loadTask(command.task, context);
  for (const warning of task.warnings) context.emit({ type: 'note', level: 'warning', text: warning });
  if (command.fileMounts) refuseUnbuilt(task);
  if (task.run === undefined)
    throw new TowError('usage', 'there is nothing to run: the task has no run', {
      hint: 'give a command in quotes, or add run to the task; tow push only syncs',
    });
  const numNodes = task.numNodes ?? cluster.nodes.length;
  cluster.checkFits(undefined, numNodes);
  const workdir = workdirOf(task, command.task, cluster);
  const mounts = command.fileMounts ? task.fileMounts : [];
  const { git: sendGit, mirror, fetch, credentials } = task.sync;
  const request = { workdir, mounts, sendGit, mirror, fetch, credentials };
  if (command.dryrun) {
    await showPlan(await openRoots(request, context, controller), command.task, context);
    return {
      summary: {
        command: 'exec',
        text: `job ${task.name ?? ''} would run on ${numNodes} of ${cluster.nodes.length} nodes`,
      },
    };
  }
  const turn = await takeTurn(cluster, context, controller);
  try {
    const roots = await openRoots(request, context, controller);
    const ahead = await reachAndLook(cluster, roots, command.task, context);
    return await syncAndRun(
      {
        command: 'exec',
        cluster,
        roots,
        ahead,
        options: command.task,
        task,
        setup: undefined,
        numNodes,
        detach: command.detach,
        turn,
      },
      context,
      controller,
    );
  } finally {
    turn.endUnlessGiven();
  }
};
