/** From a task to the roots that are synced: workdir first, then file mounts. */
import { realpath } from 'node:fs/promises';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { workdirDestination } from '../task/mount-destination.ts';
import type { Task } from '../task/task.ts';
import type { SourceStore } from './source-store.ts';
import type { SyncRoot } from './sync-roots.ts';

export interface RootsRequest {
  /** Absolute path of the workdir (UTF-16), if one is synced. */
  readonly workdir: string | undefined;
  readonly mounts: Task['fileMounts'];
  readonly sendGit: boolean;
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
}

export async function rootsOf(request: RootsRequest, sources: SourceStore): Promise<SyncRoot[]> {
  const { sendGit, home, xdgConfigHome } = request;
  const destinations = request.mounts.map(({ dest }) => bytesOf(dest));
  const open = async (name: string, from: string, dest: string, level: number): Promise<SyncRoot> => {
    const root = bytesOf(await realpath(from));
    return {
      name,
      from: root,
      dest: bytesOf(dest),
      others: destinations.filter((other) => other !== bytesOf(dest)),
      level,
      guardSource: name === 'workdir',
      source: await sources.open({ root, sendGit, home, xdgConfigHome }),
    };
  };
  const roots: SyncRoot[] = [];
  if (request.workdir !== undefined) roots.push(await open('workdir', request.workdir, workdirDestination, 0));
  for (const mount of request.mounts)
    if (mount.type === 'local') roots.push(await open(mount.dest, mount.source, mount.dest, mount.level));
  return roots;
}
