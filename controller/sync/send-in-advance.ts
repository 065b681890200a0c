import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { Advance } from '../../protocol/pull/source/advance.ts';
import type { FirstLevel } from '../../protocol/pull/source/compression.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { SourceRoot, SyncNode, SyncOptions } from './sync-root.ts';

type Answer = ReturnType<Advance['expect']>;

/**
 * Has the files of a scan sent to those nodes that have nothing of the root yet, as far as is known here, once it turns out
 * that there are files to read. Disposing ends it: after the pulls, which wait on the node for what is under way, or
 * when there is no snapshot after all. Nothing fails by it: what a node does not get in this way it gets by its pull, which
 * also says what is wrong.
 */
export function sendInAdvance(
  nodes: readonly SyncNode[],
  root: SourceRoot,
  advance: Advance,
  options: Pick<SyncOptions, 'offers' | 'held' | 'via' | 'emit'>,
  signal: AbortSignal,
): AsyncDisposable {
  const stop = new AbortController();
  const group = new TaskGroup(AbortSignal.any([signal, stop.signal]));
  let leave: (() => void) | undefined;
  const without = nodes.filter((node) => options.held.get(node.keyId, root.dest) === undefined);
  if (options.via === undefined && without.length > 0)
    advance.open(
      levelFor(without),
      () => {
        leave = options.offers.takeScan();
        if (leave === undefined) return;
        for (const node of without) {
          const answer = advance.expect();
          group.run((inner) => sendTo(node, root, answer, options, inner).finally(answer.decline));
        }
      },
      without.every((node) => node.serve().fromGit === true),
    );
  return {
    [Symbol.asyncDispose]: async () => {
      advance.end();
      stop.abort();
      await group.wait();
      leave?.();
    },
  };
}

async function sendTo(
  node: SyncNode,
  root: SourceRoot,
  answer: Answer,
  { offers, emit }: Pick<SyncOptions, 'offers' | 'emit'>,
  signal: AbortSignal,
): Promise<void> {
  const offer = offers.offerFiles(node.keyId, answer.receive);
  const progress = {
    type: 'progress',
    node: node.name,
    root: root.name,
    phase: 'fetch',
    totalFiles: 0,
    totalBytes: 0,
  } as const;
  const onEvent = (came: { readonly files: number; readonly bytes: number }): void => emit({ ...progress, ...came });
  try {
    const link = await node.link(signal);
    await link.call('pull.advance', { dest: wireBytes(root.dest), offer: offer.id }, { onEvent }, signal);
  } catch {
    // The pull comes upon it as well, if it matters.
  } finally {
    offer.withdraw();
  }
}

/** What suits the slowest of them: the packs are made once. */
function levelFor(nodes: readonly SyncNode[]): FirstLevel | undefined {
  const levels = nodes.map((node) => node.serve().compression);
  return levels.includes('far') ? 'far' : levels.includes('near') ? 'near' : undefined;
}
