/** From a task to the roots that are synced: workdir first, then file mounts. */
import { realpath } from 'node:fs/promises';
import { TowError } from '../../protocol/base/errors.ts';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { type AccessRequest, resolveAccess } from '../buckets/resolve-access.ts';
import { type BucketUri, showBucketUri } from '../task/bucket-uri.ts';
import { workdirDestination } from '../task/mount-destination.ts';
import type { Task } from '../task/task.ts';
import type { SourceStore } from './source-store.ts';
import type { BucketRoot, SourceRoot, SyncRoot } from './sync-root.ts';

export interface RootsRequest {
  /** Absolute path of the workdir (UTF-16), if one is synced. */
  readonly workdir: string | undefined;
  readonly mounts: Task['fileMounts'];
  readonly sendGit: boolean;
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  readonly access: AccessRequest;
}

export async function rootsOf(request: RootsRequest, sources: SourceStore): Promise<SyncRoot[]> {
  const { sendGit, home, xdgConfigHome } = request;
  const destinations = request.mounts.map(({ dest }) => bytesOf(dest));
  const open = async (name: string, from: string, dest: string, level: number): Promise<SourceRoot> => {
    const root = bytesOf(await realpath(from));
    return {
      type: 'source',
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
  for (const mount of request.mounts) {
    if (mount.type === 'local') roots.push(await open(mount.dest, mount.source, mount.dest, mount.level));
    if (mount.type === 'bucket') roots.push(bucketRoot(mount, mount.uri, destinations, request.access));
  }
  return roots;
}

function bucketRoot(
  { dest, level }: { readonly dest: string; readonly level: number },
  uri: BucketUri,
  destinations: readonly string[],
  request: AccessRequest,
): BucketRoot {
  const { store, bucket, region, prefix } = uri;
  if (store === 'local') throw new TowError('internal', 'a URI of a local bucket');
  return {
    type: 'bucket',
    name: dest,
    dest: bytesOf(dest),
    level,
    others: destinations.filter((other) => other !== bytesOf(dest)),
    from: showBucketUri(uri),
    prefix,
    mayBeEmpty: false,
    access: (signal) => resolveAccess({ store, bucket, region, endpoint: undefined }, request, signal),
  };
}
