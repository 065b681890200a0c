import { codeOfErrno, errnoOf, type Problem, TowError } from '../../base/errors.ts';
import { absolutePath, displayPath, type RootPath } from '../../base/root-path.ts';
import type { TaskOutput } from '../../base/worker-server.ts';
import { readContext } from './read-context.ts';
import { ListWriter, type ReadResult, readFile } from './read-file.ts';
import type { HashInput, HashOutput, HashStatus } from './tasks.ts';

/** Chunks and hashes a batch of files, and packs them if that is wanted. What concerns one file only is its problem; throws `cancelled` and bugs. */
export function hashFiles(input: HashInput, emit: (bytes: number) => void): TaskOutput<HashOutput> {
  const lists = new ListWriter();
  const statuses: HashStatus[] = [];
  const modes: number[] = [];
  const listBytes: number[] = [];
  const problems: Problem[] = [];
  const stamps = new BigInt64Array(4 * input.paths.length);
  const context = readContext(input, emit);
  const { carrier } = context;
  try {
    for (const [index, path] of input.paths.entries()) {
      const start = lists.length;
      const result = attempt(path, () =>
        readFile(absolutePath(input.root, path), lists, context, input.known.get(index)),
      );
      if (result.status === 'settled' || result.status === 'fresh') {
        const { mode, mtimeNs, ctimeNs, ino, size } = result.stats;
        stamps.set([mtimeNs, ctimeNs, BigInt.asIntN(64, ino), BigInt(size)], 4 * index);
        modes.push(mode & 0o7777);
        statuses.push(result.status);
        carrier?.end(path, result.stats, 0, lists.lengthsFrom(start));
      } else {
        lists.length = start;
        modes.push(0);
        statuses.push(result.status === 'gone' ? 'gone' : 'failed');
        if (result.status === 'failed') problems.push(result.problem);
      }
      listBytes.push(lists.length - start);
    }
  } finally {
    context.end();
  }
  const all = new Uint8Array(lists.bytes());
  const carried = carrier?.packs() ?? [];
  return {
    output: { statuses, modes, stamps, listBytes, lists: all, problems, carried },
    transfer: [all.buffer, stamps.buffer],
  };
}

type Attempt =
  | Exclude<ReadResult, { readonly status: 'unstable' }>
  | { readonly status: 'failed'; readonly problem: Problem };

function attempt(path: RootPath, read: () => ReadResult): Attempt {
  try {
    const result = read();
    if (result.status !== 'unstable') return result;
    const message = `${displayPath(path)}: changed each time it was read`;
    return { status: 'failed', problem: { path, code: 'source-unstable', message } };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof TowError) throw error;
    const code = codeOfErrno(errno);
    return { status: 'failed', problem: { path, code, message: `${displayPath(path)}: cannot be read (${errno})` } };
  }
}
