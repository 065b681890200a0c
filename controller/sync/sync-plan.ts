/** From a task to the roots that are synced: workdir first, then file mounts. */
import { realpath } from 'node:fs/promises';
import { TowError } from '../../protocol/base/errors.ts';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { type AccessRequest, resolveAccess } from '../buckets/resolve-access.ts';
import type { Storages } from '../buckets/storage/storages.ts';
import { type BucketUri, showBucketUri } from '../task/bucket-uri.ts';
import { workdirDestination } from '../task/mount-destination.ts';
import type { FileMount, Task } from '../task/task.ts';
import type { SourceStore } from './source-store.ts';
import type { BucketRoot, SourceRoot, SyncRoot } from './sync-root.ts';

export interface RootsRequest {
  /** Absolute path of the workdir (UTF-16), if one is synced. */
  readonly workdir: string | undefined;
  readonly mounts: Task['fileMounts'];
  readonly sendGit: boolean;
  /** Of storages: whether what the source lost is deleted in the bucket, too. */
  readonly mirror: boolean;
  /** Whom workers ask for objects of buckets. */
  readonly fetch: Task['sync']['fetch'];
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  readonly access: AccessRequest;
}

/** Rejects with `workdir-missing`, and as `Storages.open`. */
export async function rootsOf(
  request: RootsRequest,
  { sources, storages }: { readonly sources: SourceStore; readonly storages: Storages },
  signal: AbortSignal,
): Promise<SyncRoot[]> {
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
    if (mount.type === 'bucket') roots.push(bucketRoot(mount, mount.uri, destinations, request));
    if (mount.type === 'storage') roots.push(await storageRoot(mount, destinations, request, storages, signal));
  }
  return roots;
}

function bucketRoot(
  { dest, level }: { readonly dest: string; readonly level: number },
  uri: BucketUri,
  destinations: readonly string[],
  { access, fetch }: RootsRequest,
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
    fetch,
    local: undefined,
    prepare: undefined,
    access: (signal) => resolveAccess({ store, bucket, region, endpoint: undefined }, access, signal),
  };
}

async function storageRoot(
  mount: Extract<FileMount, { readonly type: 'storage' }>,
  destinations: readonly string[],
  { access, xdgConfigHome, mirror, fetch }: RootsRequest,
  storages: Storages,
  signal: AbortSignal,
): Promise<BucketRoot> {
  const credentials = mount.credentials ?? access.credentials;
  const request = { storage: mount, access: { ...access, credentials }, xdgConfigHome, mirror };
  const { shown, ...storage } = await storages.open(request, signal);
  return {
    type: 'bucket',
    name: mount.dest,
    dest: bytesOf(mount.dest),
    level: mount.level,
    others: destinations.filter((other) => other !== bytesOf(mount.dest)),
    from: shown,
    fetch,
    ...storage,
  };
}
