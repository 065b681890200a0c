import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import { copySource } from '../../protocol/store/copy-source.ts';
import type { CopyWireResult } from '../../protocol/wire/copy.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import { onNode, reportNode } from './report-node.ts';
import { type HeadOffer, serveFromHead } from './serve-from-head.ts';
import { type BucketRoot, maxResumes, type SyncNode, type SyncOptions } from './sync-root.ts';

export interface CopyTotals {
  /** Of one node. */
  readonly files: number;
  readonly bytes: number;
  /** Of all, from the bucket; and from the head. */
  readonly fetchedBytes: number;
  readonly headBytes: number;
  readonly conflicts: number;
  readonly problems: number;
}

/**
 * Has every node copy a place in a bucket, all at once; with `fetch: head` the head first, of which the workers then ask what it
 * has. Rejects with the first node's error; the others are then cancelled, and go on from there next time.
 */
export async function copyToNodes(
  nodes: readonly SyncNode[],
  root: BucketRoot,
  options: SyncOptions,
  signal: AbortSignal,
): Promise<CopyTotals> {
  const access = await root.access(signal);
  const results = new Map<string, CopyWireResult>();
  const [head, ...workers] = nodes;
  if (root.fetch === 'bucket' || head === undefined || workers.length === 0) await copyOn(nodes, undefined, signal);
  else {
    await copyOn([head], undefined, signal);
    const offered = { dest: root.dest, source: copySource(access, root.prefix) };
    await serveFromHead(
      head,
      offered,
      async (at) => {
        await copyOn(workers, at.access, signal);
        for (const worker of workers) reportHead(worker, root, results.get(worker.name), at.failure, options);
      },
      signal,
    );
  }
  let conflicts = 0;
  let problems = 0;
  let fetchedBytes = 0;
  let headBytes = 0;
  for (const node of nodes) {
    const result = results.get(node.name);
    conflicts += result?.conflictCount ?? 0;
    problems += result?.problemCount ?? 0;
    const fromHead = result?.headBytes ?? 0;
    headBytes += fromHead;
    // What broke off on its way from the head was fetched twice.
    fetchedBytes += Math.max(0, (result?.fetchedBytes ?? 0) - fromHead);
    reportNode(node, root, result, options);
  }
  const [first] = results.values();
  return { files: first?.files ?? 0, bytes: first?.bytes ?? 0, fetchedBytes, headBytes, conflicts, problems };

  async function copyOn(some: readonly SyncNode[], from: HeadOffer | undefined, during: AbortSignal): Promise<void> {
    const group = new TaskGroup(during);
    for (const node of some)
      group.run(async (inner) => {
        const close = root.local === undefined ? undefined : options.grants.open(node.keyId, root.local, 'read');
        const offered = options.buckets.offer(node.keyId, (asked) => root.access(asked));
        try {
          results.set(node.name, await copyToNode(node, root, offered.id, from, options, inner));
        } finally {
          offered.withdraw();
          close?.();
        }
      });
    await group.wait();
  }

  async function copyToNode(
    node: SyncNode,
    { name, dest, from: shown, prefix, others, mayBeEmpty }: BucketRoot,
    offer: string,
    from: HeadOffer | undefined,
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
            ...(from === undefined ? {} : { head: from }),
          },
          { onEvent: (event) => options.emit({ type: 'progress', node: node.name, root: name, ...event }) },
          inner,
        );
      } catch (error) {
        const lost = error instanceof TowError && error.code === 'link-lost';
        if (!lost || resumes === maxResumes || inner.aborted) throw onNode(node, root, explained(error, shown, access));
        options.emit({ type: 'note', level: 'warning', text: `${node.name}: the link was lost, resuming` });
      }
    }
  }
}

/** A worker that had to ask the bucket after all: slower, or dearer, than was meant. */
function reportHead(
  { name }: SyncNode,
  root: BucketRoot,
  result: CopyWireResult | undefined,
  failure: string | undefined,
  options: SyncOptions,
): void {
  const why = failure ?? result?.headFailure;
  if (result === undefined || why === undefined || result.fetchedBytes === 0) return;
  const { fetchedBytes, headBytes = 0 } = result;
  options.emit({
    type: 'note',
    level: 'warning',
    text: `${name}: ${root.name}: ${headBytes} of ${fetchedBytes} bytes came from the head, the rest from the bucket: ${why}`,
  });
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
