import { nameOf, parentOf, type RootPath } from '../../protocol/base/root-path.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import { indexOfName } from '../../protocol/chunk/index-of-name.ts';
import type { EarlyRange, EarlyRanges } from '../../protocol/pull/source/early-ranges.ts';
import { maxEarlyRanges } from '../../protocol/wire/pull.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { HeldRoots } from './held-roots.ts';
import type { SourceRoot, SyncNode, SyncOptions } from './sync-root.ts';

type Held = NonNullable<ReturnType<HeldRoots['get']>>;

/**
 * Tells those nodes that have a root, as far as is known here, what large files will have of files of theirs, while the scan
 * still reads them, and while it is worked out what a pull will say; once that has come a node wants no more. Dispose of it
 * after the pulls. Nothing fails by it.
 */
export function tellEarly(
  nodes: readonly SyncNode[],
  root: SourceRoot,
  early: EarlyRanges,
  options: Pick<SyncOptions, 'held'>,
  signal: AbortSignal,
): AsyncDisposable {
  const stop = new AbortController();
  const group = new TaskGroup(AbortSignal.any([signal, stop.signal]));
  const tellers = nodes.flatMap((node) => {
    const held = options.held.get(node.keyId, root.dest);
    return held === undefined ? [] : [new Teller(node, root, held, group)];
  });
  early.listen((range) => {
    for (const teller of tellers) teller.tell(range);
  });
  return {
    [Symbol.asyncDispose]: async () => {
      for (const teller of tellers) teller.end();
      stop.abort();
      await group.wait();
    },
  };
}

/** A node copies no more at once: it cannot be told to stop in between. */
const callBytes = 64 << 20;

/** Takes the first ranges out of a list, as many as go in one call; of the last one maybe a part. */
export function takeSome(ranges: number[]): number[] {
  const some: number[] = [];
  let left = callBytes;
  while (left > 0 && ranges.length > 0 && some.length < 3 * maxEarlyRanges) {
    const [from = 0, to = 0, length = 0] = ranges.splice(0, 3);
    const now = Math.min(length, left);
    some.push(from, to, now);
    if (now < length) ranges.unshift(from + now, to + now, length - now);
    left -= now;
  }
  return some;
}

interface Waiting extends Pick<EarlyRange, 'from' | 'size'> {
  readonly ranges: number[];
}

/** One node: one call at a time, with all that came up since the last one. */
class Teller {
  readonly #node: SyncNode;
  readonly #root: SourceRoot;
  readonly #held: Held;
  readonly #group: TaskGroup;
  readonly #waiting = new Map<RootPath, Waiting>();
  /** By path, whether the node may begin it. */
  readonly #wanted = new Map<RootPath, boolean>();
  #running = false;
  #over = false;

  constructor(node: SyncNode, root: SourceRoot, held: Held, group: TaskGroup) {
    this.#node = node;
    this.#root = root;
    this.#held = held;
    this.#group = group;
  }

  tell({ path, from, former, size, ranges }: EarlyRange): void {
    const wanted = this.#wanted.get(path) ?? contentAt(this.#held, from) === former;
    this.#wanted.set(path, wanted);
    if (this.#over || !wanted) return;
    const waiting = this.#waiting.get(path) ?? { from, size, ranges: [] };
    waiting.ranges.push(...ranges);
    this.#waiting.set(path, waiting);
    if (this.#running) return;
    this.#running = true;
    this.#group.run((signal) => this.#run(signal));
  }

  end(): void {
    this.#over = true;
    this.#waiting.clear();
  }

  #next(): [RootPath, Waiting] | undefined {
    return this.#waiting.entries().next().value;
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        const [path, { from, size, ranges }] = next;
        const some = takeSome(ranges);
        if (ranges.length === 0) this.#waiting.delete(path);
        const link = await this.#node.link(signal);
        const call = { dest: wireBytes(this.#root.dest), base: wireBytes(this.#held.digest), size, ranges: some };
        const told = { ...call, path: wireBytes(path), from: wireBytes(from) };
        const { wanted } = await link.call('pull.early', told, {}, signal);
        this.#wanted.set(path, wanted);
        if (!wanted) this.#waiting.delete(path);
      }
    } catch {
      // The pull comes upon it as well, if it matters.
      this.end();
    }
    this.#running = false;
  }
}

function contentAt({ manifest }: Held, path: RootPath): string | undefined {
  const entries = manifest.directories.get(parentOf(path))?.entries ?? [];
  const entry = entries[indexOfName(entries, nameOf(path))];
  return entry?.kind === 'file' ? entry.content : undefined;
}
