import { lstat, readdir } from 'node:fs/promises';
import type * as v from 'valibot';
import type { Handlers } from '../../protocol/link/link.ts';
import { type Kept, KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { restoreKept } from '../../protocol/pull/replica/restore.ts';
import type { keptVersionSchema } from '../../protocol/wire/conflict.ts';
import { limits } from '../../protocol/wire/limits.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { AgentPaths } from '../paths.ts';

type KeptVersionInput = v.InferInput<typeof keptVersionSchema>;
type ConflictMethods = Pick<Handlers<AgentMethods>, 'conflicts.list' | 'conflicts.restore' | 'conflicts.prune'>;

/** A call may name a thousand of them, each with file work of its own that blocks: other calls come in between. */
const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

/** Serves the kept versions of this node. */
export function conflictHandlers(paths: AgentPaths): ConflictMethods {
  const kept = new KeptVersions(paths.conflicts);
  return {
    'conflicts.list': async ({ after = '' }) => {
      const ids = (await kept.ids()).filter((id) => id > after);
      const versions: KeptVersionInput[] = [];
      let pathBytes = 0;
      for (const [at, id] of ids.entries()) {
        const version = kept.find(id);
        if (version === undefined) continue;
        pathBytes += version.dest.length + version.path.length + version.data.length;
        const full = versions.length === limits.keptVersions || pathBytes > limits.keptPathBytes;
        if (full && versions.length > 0) return { versions, more: true };
        versions.push(await describe(version));
        if (at % 16 === 0) await turn();
      }
      return { versions, more: false };
    },
    'conflicts.restore': async ({ ids }) => {
      for (const id of ids) {
        restoreKept(kept, id);
        await turn();
      }
      return { restored: ids.length };
    },
    'conflicts.prune': async ({ ids }) => {
      let bytes = 0;
      for (const id of ids) {
        const version = kept.find(id);
        if (version !== undefined) bytes += await keptBytes(version.data);
        kept.prune(id);
        await turn();
      }
      return { pruned: ids.length, bytes };
    },
  };
}

async function describe({ id, dest, path, reason, keptAt, data }: Kept): Promise<KeptVersionInput> {
  return {
    id,
    dest: wireBytes(dest),
    path: wireBytes(path),
    reason,
    keptAt,
    bytes: await keptBytes(data),
    storedAt: wireBytes(data),
  };
}

/** Size of a kept object (absolute, latin1), in bytes: of a directory, of all in it. */
async function keptBytes(data: string): Promise<number> {
  const path = Buffer.from(data, 'latin1');
  const stats = await lstat(path);
  if (!stats.isDirectory()) return stats.size;
  let bytes = 0;
  for (const name of await readdir(path, { encoding: 'buffer' }))
    bytes += await keptBytes(`${data}/${name.toString('latin1')}`);
  return bytes;
}
