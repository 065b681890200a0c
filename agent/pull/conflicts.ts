import type { Handlers } from '../../protocol/link/link.ts';
import { KeptVersions, keptBytes } from '../../protocol/pull/replica/kept-versions.ts';
import { restoreKept } from '../../protocol/pull/replica/restore.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { AgentPaths } from '../paths.ts';

type ConflictMethods = Pick<Handlers<AgentMethods>, 'conflicts.list' | 'conflicts.restore' | 'conflicts.prune'>;

/** Serves the kept versions of this node. Few and rare, so their file work is done right here. */
export function conflictHandlers(paths: AgentPaths): ConflictMethods {
  const kept = new KeptVersions(paths.conflicts);
  return {
    'conflicts.list': async () => ({
      versions: kept.list().map(({ id, dest, path, reason, keptAt, data }) => ({
        id,
        dest: wireBytes(dest),
        path: wireBytes(path),
        reason,
        keptAt,
        bytes: keptBytes(Buffer.from(data, 'latin1')),
        storedAt: wireBytes(data),
      })),
    }),
    'conflicts.restore': async ({ ids }) => {
      for (const id of ids) restoreKept(kept, id);
      return { restored: ids.length };
    },
    'conflicts.prune': async ({ ids }) => {
      let bytes = 0;
      for (const id of ids) {
        const version = kept.find(id);
        if (version !== undefined) bytes += keptBytes(Buffer.from(version.data, 'latin1'));
        kept.prune(id);
      }
      return { pruned: ids.length, bytes };
    },
  };
}
