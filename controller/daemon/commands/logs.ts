import type { CommandRun } from '../command-result.ts';
import { exitCodeOf, follow, jobSummary } from './task-run.ts';

/** A job's output from its beginning (or its last lines), followed to its end unless told otherwise. */
export const logs: CommandRun<'logs'> = async (command, context, controller) => {
  const cluster = controller.registry.get(command.cluster);
  const job = controller.jobs.find(cluster.name, command.job);
  if (!command.status) {
    await follow(cluster, job, { follow: command.follow, tail: command.tail }, context);
  } else if (command.follow) {
    await job.when(({ ended }) => ended, context.signal);
  }
  return { summary: { command: 'logs', job: jobSummary(job) }, exitCode: command.status ? exitCodeOf(job) : 0 };
};
