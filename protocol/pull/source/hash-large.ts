/** Hashes a large file in parts, by what is known of it, or of one that it may be a copy of. */
import { lstatSync } from 'node:fs';
import { systemClock } from '../../base/clock.ts';
import { absolutePath, type RootPath } from '../../base/root-path.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import type { Advance } from './advance.ts';
import type { EarlyRanges } from './early-ranges.ts';
import { hashInParts, inPartsFromBytes } from './hash-in-parts.ts';
import type { LargeFiles } from './known-lists.ts';
import type { HashOutput, SourceTasks } from './tasks.ts';

export interface LargeJob {
  readonly root: string;
  readonly path: RootPath;
  /** Bytes, when it was listed. */
  readonly size: number;
  /** What the file was. */
  readonly known: ChunkList | undefined;
  readonly verify: boolean;
  /** Where to look for what it may be a copy of, if that is of use. */
  readonly largeFiles: (() => Promise<LargeFiles>) | undefined;
  readonly early: EarlyRanges | undefined;
  readonly advance: Advance | undefined;
  readonly cancel: Int32Array;
}

/** One that is being written is looked at again so often, after as many ms. */
const attempts = 5;
const pauseMs = 20;

/** As `hashInParts`; undefined where the file must be read as a whole. */
export async function hashLarge(
  pool: WorkerPool<SourceTasks>,
  job: LargeJob,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<HashOutput | undefined> {
  const { root, path, known, verify, early, advance, cancel } = job;
  let { size } = job;
  for (let attempt = 1; ; attempt += 1) {
    const like = known === undefined ? (await job.largeFiles?.())?.ofSize(size) : undefined;
    const lists = { known: known ?? like?.list, knownAs: like?.path };
    const onKept = early?.about({ path, from: like?.path ?? path, size }, lists.known);
    const file = { root, path, ...lists, cancel, trusted: !verify, onKept };
    const output = await hashInParts(pool, file, size, onBytes, signal, advance);
    if (output !== undefined || attempt === attempts) return output;
    if (attempt > 1) await systemClock.sleep(pauseMs, signal);
    const now = sizeNow(root, path);
    if (now === size || now < inPartsFromBytes) return undefined;
    size = now;
  }
}

function sizeNow(root: string, path: RootPath): number {
  try {
    return lstatSync(absolutePath(root, path)).size;
  } catch {
    // Reading it as a whole says what is wrong.
    return 0;
  }
}
