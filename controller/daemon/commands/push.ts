import { TowError } from '../../../protocol/base/errors.ts';
import { loadTask } from '../../task/load-task.ts';
import { refuseUnbuilt } from '../../task/task.ts';
import type { CommandRun } from '../command-result.ts';
import { openRoots, reachAndLook, showPlan, syncCluster, workdirOf } from './task-run.ts';

/** Syncs without a job. Files may change under a job that is running, which is said. */
export const push: CommandRun<'push'> = async (command, context, controller) => {
  const cluster = controller.registry.get(command.cluster);
  const task = await loadTask(command.task, context);
  for (const warning of task.warnings) context.emit({ type: 'note', level: 'warning', text: warning });
  if (command.fileMounts) refuseUnbuilt(task);
  const roots = await openRoots(
    {
      workdir: workdirOf(task, command.task, cluster),
      mounts: command.fileMounts ? task.fileMounts : [],
      sendGit: task.sync.git,
      mirror: task.sync.mirror,
      fetch: task.sync.fetch,
      credentials: task.sync.credentials,
    },
    context,
    controller,
  );
  if (roots.length === 0)
    throw new TowError('usage', `there is nothing to push: ${cluster.name} has had no workdir yet`, {
      hint: 'name one with --workdir',
    });
  if (command.dryrun) {
    await showPlan(roots, command.task, context);
    return { summary: { command: 'push' } };
  }
  const running = controller.jobs.list(cluster.name).find(({ ended }) => !ended);
  if (running !== undefined)
    context.emit({
      type: 'note',
      level: 'warning',
      text: `job ${running.record.number} is running: its files change under it`,
    });
  const ahead = await reachAndLook(cluster, roots, command.task, context);
  const sync = await syncCluster(cluster, roots, command.task, context, controller, ahead);
  return { summary: { command: 'push', ...(sync === undefined ? {} : { sync }) } };
};
