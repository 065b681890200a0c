import { displayPath } from '../../../protocol/base/root-path.ts';
import { displayHost } from '../../cluster/ssh/ssh-host.ts';
import type { CommandRun } from '../command-result.ts';

/** Every cluster with its nodes and its last job. */
export const status: CommandRun<'status'> = async (_command, context, controller) => {
  for (const { name, state, nodes } of controller.registry.clusters) {
    const last = controller.jobs.list(name).at(-1)?.record;
    context.emit({
      type: 'data',
      kind: 'cluster',
      name,
      infra: state.infra,
      nodes: nodes.map((node) => ({
        name: node.name,
        host: node.state.host === undefined ? 'local' : displayHost(node.state.host),
        connected: node.connected,
      })),
      workdir: state.workdir === undefined ? undefined : displayPath(state.workdir),
      job: last === undefined ? undefined : { id: String(last.number), name: last.name, state: last.state },
    });
  }
  return {
    summary: {
      command: 'status',
      ...(controller.registry.clusters.length === 0
        ? { text: 'no clusters yet: tow launch -c NAME task.yaml makes one' }
        : {}),
    },
  };
};
