import { randomBytes } from 'node:crypto';
import { joinPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import { Listing, unframeListings } from './listing.ts';
import { refuseNothing } from './refuse-nothing.ts';
import { rootItself, type SourceTasks, type WalkInput } from './tasks.ts';

/** A path that would be sent. */
export interface SentPath {
  readonly path: RootPath;
  readonly size: number;
}

/** What would be sent of `root` now, in path order, without reading any file. Rejects as a walk does. */
export async function sentPaths(
  root: string,
  pool: WorkerPool<SourceTasks>,
  where: WalkInput,
  signal: AbortSignal,
): Promise<SentPath[]> {
  const frames: Buffer[] = [];
  const onEvent = (bytes: Uint8Array): void => void frames.push(Buffer.from(bytes));
  const input = { ...where, only: undefined, rules: randomBytes(8).toString('hex') };
  refuseNothing(root, await pool.run('walk', input, signal, { onEvent }));
  const turns = new Turns();
  const paths: SentPath[] = [];
  for (const frame of frames) {
    for (const { path, listing } of unframeListings(frame)) {
      paths.push(...listed(path, new Listing(listing)));
      if (turns.over) await turns.next();
    }
  }
  return paths.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function* listed(directory: RootPath, listing: Listing): Generator<SentPath, void, void> {
  if (directory === rootItself && listing.kind(0) === 'dir') return;
  let at = 0;
  for (const { name } of listing.texts()) {
    const path = directory === rootItself ? '' : joinPath(directory, name);
    if (listing.kind(at) !== 'dir') yield { path, size: listing.size(at) };
    at += 1;
  }
}
