import { toTowError } from '../../../protocol/base/errors.ts';
import { countText } from '../../ui/format.ts';
import type { CommandRun } from '../command-result.ts';
import { accessRequest } from './task-run.ts';

/**
 * Stops the agents, takes their enrolment, forgets the cluster. Homes of local nodes go; ssh nodes keep their files, `--purge`
 * removes Towline's own. Storages that are not persistent go with the last cluster that uses them.
 */
export const down: CommandRun<'down'> = async (command, context, controller) => {
  const cluster = controller.registry.get(command.cluster);
  await controller.jobs.forget(cluster.name);
  await controller.registry.remove(cluster, context, command.purge);
  // One that was submitted meanwhile is not the next cluster's of this name.
  await controller.jobs.forget(cluster.name);
  for (const node of cluster.nodes) controller.held.drop(node.keyId);
  await controller.storages.release(
    cluster.name,
    controller.registry.clusters.map(({ name }) => name),
    accessRequest('forward', context, controller),
    {
      deleted: ({ name }, objects) =>
        context.emit({ type: 'note', level: 'info', text: `deleted storage ${name}: ${countText(objects)} objects` }),
      failed: ({ name }, error) => {
        const { message } = toTowError(error, name);
        context.emit({
          type: 'note',
          level: 'warning',
          text: `storage ${name} cannot be deleted: ${message}`,
          hint: `tow storage delete ${name} tries again`,
        });
      },
    },
    context.signal,
  );
  return { summary: { command: 'down', text: `cluster ${cluster.name} is down` } };
};
