/** Hashes one large file in several threads. */
import { isDeepStrictEqual } from 'node:util';
import type { WorkerPool } from '../../base/worker-pool.ts';
import type { HashedPart, HashOutput, HashPartInput, SourceTasks } from './tasks.ts';

/** Files from this many bytes on: each thread cuts half a mebibyte more than its part. */
export const inPartsFromBytes = 32 << 20;

/**
 * What the task `hash` would say of one file of `size` bytes. Undefined when the parts do not fit together, and where the
 * file must be read as a whole: it has holes, changes, or cannot be read. All parts have ended when this resolves.
 */
export async function hashInParts(
  pool: WorkerPool<SourceTasks>,
  file: Omit<HashPartInput, 'from' | 'to'>,
  size: number,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<HashOutput | undefined> {
  const count = pool.size;
  const bound = (part: number): number => (part === count ? size : Math.floor((size / count) * part));
  const parts = await Promise.all(
    Array.from({ length: count }, async (_, part) => {
      const input = { ...file, from: bound(part), to: bound(part + 1) };
      return await pool.run('hashPart', input, signal, { onEvent: onBytes });
    }),
  );
  return joined(parts, size);
}

function joined(parts: readonly (HashedPart | undefined)[], size: number): HashOutput | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  let end = 0;
  for (const part of parts) {
    // A part that did not fall in step, which data without a cut of its own never does, would be other chunks.
    if (part?.begin !== end || part.mode !== first.mode || !isDeepStrictEqual(part.stamp, first.stamp))
      return undefined;
    end = part.end;
  }
  if (end !== size) return undefined;
  const [mtimeNs, ctimeNs, ino, bytes] = first.stamp;
  const lists = Buffer.concat(parts.flatMap((part) => (part === undefined ? [] : [part.list])));
  return {
    statuses: [parts.some((part) => part?.fresh === true) ? 'fresh' : 'settled'],
    modes: [first.mode],
    stamps: BigInt64Array.of(mtimeNs, ctimeNs, BigInt.asIntN(64, ino), bytes),
    listBytes: [lists.length],
    lists,
    problems: [],
  };
}
