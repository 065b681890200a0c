import { TowError } from '../../../protocol/base/errors.ts';
import type { CommandRun } from '../command-result.ts';

/** Ends jobs: SIGTERM to their scripts, SIGKILL after ten seconds. Returns when they have ended. */
export const cancel: CommandRun<'cancel'> = async (command, context, controller) => {
  const cluster = controller.registry.get(command.cluster);
  const jobs = command.all
    ? controller.jobs.list(cluster.name).filter(({ ended }) => !ended)
    : command.jobs.map((number) => controller.jobs.find(cluster.name, number));
  if (jobs.length === 0 && !command.all)
    throw new TowError('usage', 'say which job to cancel', { hint: `tow cancel ${cluster.name} JOB, or --all` });
  for (const job of jobs) job.cancel();
  for (const job of jobs) {
    await job.when(({ ended }) => ended, context.signal);
    context.emit({ type: 'job', cluster: cluster.name, job: String(job.record.number), state: job.record.state });
  }
  return {
    summary: {
      command: 'cancel',
      text: jobs.length === 0 ? 'no job was running' : `ended ${jobs.map(({ record }) => record.number).join(', ')}`,
    },
  };
};
