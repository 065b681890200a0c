import { TowError } from '../../../protocol/base/errors.ts';
import { displayPath, joinPath } from '../../../protocol/base/root-path.ts';
import { type KeptVersion, maxKeptIds } from '../../../protocol/wire/conflict.ts';
import type { ClusterNode } from '../../cluster/cluster-node.ts';
import type { CommandResult, CommandRun } from '../command-result.ts';
import type { CommandContext } from '../context.ts';
import type { Controller } from '../controller.ts';

interface NodeVersions {
  readonly node: ClusterNode;
  readonly versions: readonly KeptVersion[];
}

async function versionsOf(cluster: string, context: CommandContext, controller: Controller): Promise<NodeVersions[]> {
  return await Promise.all(
    controller.registry.get(cluster).nodes.map(async (node) => {
      const link = await node.link(context, context.signal);
      const versions: KeptVersion[] = [];
      for (let more = true; more; ) {
        const after = versions.at(-1)?.id;
        const page = await link.call('conflicts.list', after === undefined ? {} : { after }, {}, context.signal);
        versions.push(...page.versions);
        more = page.more && page.versions.length > 0;
      }
      return { node, versions: versions.sort((a, b) => a.keptAt - b.keptAt) };
    }),
  );
}

/** Versions of the nodes that were kept when the source's took their place. */
export const conflictsLs: CommandRun<'conflicts-ls'> = async ({ cluster }, context, controller) => {
  let count = 0;
  for (const { node, versions } of await versionsOf(cluster, context, controller)) {
    for (const { id, dest, path, reason, keptAt, bytes, storedAt } of versions) {
      count += 1;
      const where = path === '' ? dest : joinPath(dest, path);
      context.emit({
        type: 'data',
        kind: 'conflict',
        node: node.name,
        id,
        path: displayPath(where),
        reason,
        keptAt,
        bytes,
        storedAt: displayPath(storedAt),
      });
    }
  }
  return { summary: { command: 'conflicts ls', ...(count === 0 ? { text: 'no kept versions' } : {}) } };
};

/** Puts kept versions back; what is there now is kept in their stead. */
export const conflictsRestore: CommandRun<'conflicts-restore'> = async ({ cluster, ids }, context, controller) => {
  return await onNodes('restore', ids, await versionsOf(cluster, context, controller), async (node, some) => {
    const link = await node.link(context, context.signal);
    await link.call('conflicts.restore', { ids: [...some] }, {}, context.signal);
  });
};

/** Deletes kept versions for good. */
export const conflictsPrune: CommandRun<'conflicts-prune'> = async ({ cluster, ids, all }, context, controller) => {
  const found = await versionsOf(cluster, context, controller);
  const wanted = all ? found.flatMap(({ versions }) => versions.map(({ id }) => id)) : ids;
  return await onNodes('prune', wanted, found, async (node, some) => {
    const link = await node.link(context, context.signal);
    await link.call('conflicts.prune', { ids: [...some] }, {}, context.signal);
  });
};

async function onNodes(
  what: 'restore' | 'prune',
  ids: readonly string[],
  found: readonly NodeVersions[],
  run: (node: ClusterNode, ids: readonly string[]) => Promise<void>,
): Promise<CommandResult> {
  const known = new Set(found.flatMap(({ versions }) => versions.map(({ id }) => id)));
  const missing = ids.find((id) => !known.has(id));
  if (missing !== undefined)
    throw new TowError('conflict-missing', `there is no kept version ${missing}`, {
      hint: 'tow conflicts ls NAME lists them',
    });
  const wanted = new Set(ids);
  for (const { node, versions } of found) {
    const some = versions.map(({ id }) => id).filter((id) => wanted.has(id));
    for (let at = 0; at < some.length; at += maxKeptIds) await run(node, some.slice(at, at + maxKeptIds));
  }
  return {
    summary: {
      command: `conflicts ${what}`,
      text: `${ids.length} kept ${ids.length === 1 ? 'version' : 'versions'} ${what === 'restore' ? 'put back' : 'deleted'}`,
    },
  };
}
