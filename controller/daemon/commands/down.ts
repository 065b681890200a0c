import type { CommandRun } from '../command-result.ts';

/** Stops the agents, takes their enrolment, forgets the cluster. Homes of local nodes go; ssh nodes keep their files, `--purge` removes Towline's own. */
export const down: CommandRun<'down'> = async (command, context, controller) => {
  const cluster = controller.registry.get(command.cluster);
  await controller.jobs.forget(cluster.name);
  await controller.registry.remove(cluster, context, command.purge);
  for (const node of cluster.nodes) controller.held.drop(node.keyId);
  return { summary: { command: 'down', text: `cluster ${cluster.name} is down` } };
};
