import { errnoOf, TowError } from '../../base/errors.ts';
import { absolutePath } from '../../base/root-path.ts';
import type { TaskOutput } from '../../base/worker-server.ts';
import { KeptRanges } from './kept-ranges.ts';
import { readContext } from './read-context.ts';
import { ListWriter } from './read-file.ts';
import { type ReadPart, readPart } from './read-part.ts';
import type { HashedPart, HashPartInput, PartProgress } from './tasks.ts';

/** Chunks and hashes a part of a file. Throws `cancelled` and bugs. */
export function hashPart(
  { root, path, from, to, size, cancel, carry, tellsKept, ...known }: HashPartInput,
  emit: (progress: PartProgress) => void,
): TaskOutput<HashedPart | undefined> {
  const lists = new ListWriter();
  const kept = tellsKept ? new KeptRanges() : undefined;
  const progress = (bytes: number): void => emit({ bytes, kept: kept?.take() ?? [] });
  const context = readContext({ cancel, ...(carry === undefined ? {} : { carry }) }, progress);
  const part = quietly(() => readPart(absolutePath(root, path), { from, to, of: size }, lists, context, known, kept));
  context.end();
  if (part === undefined) return { output: undefined };
  const { begin, end, fresh, stats, tags } = part;
  const { mode, mtimeNs, ctimeNs, ino } = stats;
  const list = new Uint8Array(lists.bytes());
  if (end > begin) context.carrier?.end(path, stats, begin, lists.lengthsFrom(0));
  const carried = context.carrier?.packs() ?? [];
  return {
    output: {
      begin,
      end,
      fresh,
      mode: mode & 0o7777,
      stamp: [mtimeNs, ctimeNs, ino, BigInt(stats.size)],
      list,
      tags,
      carried,
    },
    transfer: [list.buffer],
  };
}

/** What is wrong with a file, reading it as a whole says. */
function quietly(read: () => ReadPart | undefined): ReadPart | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === undefined || error instanceof TowError) throw error;
    return undefined;
  }
}
