/** What `--via` adds to the sync of a root. */
import type { Digest } from '../../protocol/chunk/digest.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { PullResult } from '../../protocol/wire/pull.ts';
import type { SourceRoot, SyncNode, SyncOptions } from './sync-root.ts';

/** Has a snapshot published, if that is wanted. Resolves with its catalogue's name. Rejects as `Via.publish`. */
export async function publishRoot(
  root: SourceRoot,
  snapshot: Snapshot,
  options: SyncOptions,
  signal: AbortSignal,
): Promise<Digest | undefined> {
  let reported = 0;
  const onBytes = (bytes: number, totalBytes: number): void => {
    const now = Date.now();
    if (now - reported < 100) return;
    reported = now;
    const counts = { files: 0, totalFiles: 0, bytes, totalBytes };
    options.emit({ type: 'progress', node: '', root: root.name, phase: 'publish', ...counts });
  };
  return await options.via?.publish(snapshot, onBytes, signal);
}

/** Takes note of what a node found amiss, and tells the user. */
export function reportVia(
  node: SyncNode,
  root: SourceRoot,
  snapshot: Snapshot,
  result: PullResult | undefined,
  options: SyncOptions,
): void {
  const note = result === undefined ? undefined : options.via?.report(snapshot, result);
  if (note !== undefined) options.emit({ type: 'note', level: 'warning', text: `${node.name}: ${root.name}: ${note}` });
}
