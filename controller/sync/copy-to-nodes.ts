import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { CopyWireResult } from '../../protocol/wire/copy.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import { onNode, reportNode } from './report-node.ts';
import { type BucketRoot, maxResumes, type SyncNode, type SyncOptions } from './sync-root.ts';

export interface CopyTotals {
  /** Of one node. */
  readonly files: number;
  readonly bytes: number;
  /** Of all. */
  readonly fetchedBytes: number;
  readonly conflicts: number;
  readonly problems: number;
}

/** Has every node copy a place in a bucket, all at once. Rejects with the first node's error; the others are then cancelled, and go on from there next time. */
export async function copyToNodes(
  nodes: readonly SyncNode[],
  root: BucketRoot,
  options: SyncOptions,
  signal: AbortSignal,
): Promise<CopyTotals> {
  const access = await root.access(signal);
  const results = new Map<string, CopyWireResult>();
  const group = new TaskGroup(signal);
  for (const node of nodes)
    group.run(async (inner) => {
      const close = root.local === undefined ? undefined : options.grants.open(node.keyId, root.local, 'read');
      const offered = options.buckets.offer(node.keyId, (during) => root.access(during));
      try {
        results.set(node.name, await copyToNode(node, root, offered.id, options, inner));
      } finally {
        offered.withdraw();
        close?.();
      }
    });
  await group.wait();
  let conflicts = 0;
  let problems = 0;
  let fetchedBytes = 0;
  for (const node of nodes) {
    const result = results.get(node.name);
    conflicts += result?.conflicts.length ?? 0;
    problems += result?.problemCount ?? 0;
    fetchedBytes += result?.fetchedBytes ?? 0;
    reportNode(node, root, result, options);
  }
  const [first] = results.values();
  return { files: first?.files ?? 0, bytes: first?.bytes ?? 0, fetchedBytes, conflicts, problems };

  async function copyToNode(
    node: SyncNode,
    { name, dest, from, prefix, others, mayBeEmpty }: BucketRoot,
    offer: string,
    { allowDelete, verify }: SyncOptions,
    inner: AbortSignal,
  ): Promise<CopyWireResult> {
    for (let resumes = 0; ; resumes += 1) {
      throwIfAborted(inner);
      const link = await node.link(inner);
      try {
        return await link.call(
          'copy.run',
          {
            dest: wireBytes(dest),
            access,
            offer,
            prefix,
            others: others.map(wireBytes),
            mayBeEmpty,
            allowDelete,
            verify,
          },
          { onEvent: (event) => options.emit({ type: 'progress', node: node.name, root: name, ...event }) },
          inner,
        );
      } catch (error) {
        const lost = error instanceof TowError && error.code === 'link-lost';
        if (!lost || resumes === maxResumes || inner.aborted) throw onNode(node, explained(error, from, access));
        options.emit({ type: 'note', level: 'warning', text: `${node.name}: the link was lost, resuming` });
      }
    }
  }
}

/** What the node cannot know: how the user named the place, and that there were no credentials to send. */
function explained(error: unknown, from: string, access: StoreAccess): unknown {
  if (!(error instanceof TowError)) return error;
  if (error.code === 'object-missing')
    return new TowError(error.code, `${from}: there is nothing there`, { hint: error.hint ?? 'correct the URI' });
  const asPublic = access.service !== 'local' && access.credentials.type === 'none';
  if (error.code !== 'store-forbidden' || !asPublic) return error;
  return new TowError(error.code, `${error.message}: no credentials were found, so it was read as the public may`, {
    cause: error.cause,
    hint: 'tow check says what is set up; log in, or set AWS_PROFILE or GOOGLE_APPLICATION_CREDENTIALS',
  });
}
