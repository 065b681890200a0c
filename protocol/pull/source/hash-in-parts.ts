/** Hashes one large file in several threads. */
import { isDeepStrictEqual } from 'node:util';
import type { RootPath } from '../../base/root-path.ts';
import { TaskGroup } from '../../base/task-group.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import { longestChunkBytes } from '../../chunk/chunker.ts';
import { packTargetBytes } from '../../chunk/pack.ts';
import type { Advance, Lane } from './advance.ts';
import { SpanBook } from './span-book.ts';
import type { CarriedPack, HashedPart, HashOutput, HashPartInput, PartProgress, SourceTasks } from './tasks.ts';

/** By the threads that hash them: what their files were. */
const books = new WeakMap<WorkerPool<SourceTasks>, { readonly book: SpanBook | undefined }>();

function bookOf(pool: WorkerPool<SourceTasks>): SpanBook | undefined {
  const known = books.get(pool) ?? { book: SpanBook.make() };
  books.set(pool, known);
  return known.book;
}

export interface LargeFile
  extends Omit<HashPartInput, 'from' | 'to' | 'size' | 'spans' | 'tagKey' | 'carry' | 'tellsKept'> {
  /** The path of the file that `known` is the content of, if it is another one. */
  readonly knownAs?: RootPath | undefined;
  /** Whether tags may tell that a span is as it was; else all of it is hashed anew. */
  readonly trusted: boolean;
  /** Is told what it has of `known`, while it is read. */
  readonly onKept?: ((ranges: readonly number[]) => void) | undefined;
}

/** Files from this many bytes on: each thread cuts half a mebibyte more than its part. */
export const inPartsFromBytes = 32 << 20;

/** Files from this many bytes on, if they are sent as they are read: longer than what is packed together. */
export const sentInPartsFromBytes = packTargetBytes + 1;
/** Of a part that is sent as it is read. */
const sentPartBytes = 4 << 20;

/**
 * What the task `hash` would say of one file of `size` bytes; `advance` takes the parts as they are read. Undefined when
 * the parts do not fit together, and where the file must be read as a whole: it has holes, changes, or cannot be read. All
 * parts have ended when this resolves.
 */
export async function hashInParts(
  pool: WorkerPool<SourceTasks>,
  { trusted, knownAs, onKept, ...whole }: LargeFile,
  size: number,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
  advance?: Advance,
): Promise<HashOutput | undefined> {
  const path = `${whole.root}\0${whole.path}`;
  // Smaller ones are read in parts only while they are sent.
  const book = advance === undefined || size >= inPartsFromBytes ? bookOf(pool) : undefined;
  const spans =
    trusted && whole.known !== undefined
      ? await book?.of(`${whole.root}\0${knownAs ?? whole.path}`, whole.known)
      : undefined;
  const file = { ...whole, spans, tagKey: book?.key, tellsKept: onKept !== undefined };
  const onEvent = ({ bytes, kept }: PartProgress): void => {
    onBytes(bytes);
    onKept?.(kept);
  };
  const count = advance === undefined ? pool.size : Math.ceil(size / sentPartBytes);
  const parts: (HashedPart | undefined)[] = [];
  let next = 0;
  let inStep = true;
  let lane: Lane = 'packed';
  const hashSome = async (): Promise<void> => {
    while (next < count && inStep) {
      const part = next++;
      const bound = (at: number): number => (at === count ? size : Math.floor((size / count) * at));
      const input = { ...file, from: bound(part), to: bound(part + 1), size };
      const hashed = await hashOne(pool, input, lane, onEvent, signal, advance);
      parts[part] = hashed;
      // A file is alike from one end to the other, most often.
      if (hashed !== undefined) lane = shrank(hashed.carried) ? 'packed' : 'plain';
      // Parts that are not in step are for nothing, and so would be the others.
      inStep &&= hashed !== undefined && fits(parts[part - 1], hashed) && fits(hashed, parts[part + 1]);
    }
  };
  const group = new TaskGroup(signal);
  for (let at = 0; at <= pool.size; at += 1) group.run(hashSome);
  await group.wait();
  const output = inStep ? joined(parts, size) : undefined;
  if (output !== undefined)
    await book?.read(
      path,
      output.lists,
      parts.flatMap((part) => part ?? []),
    );
  return output;
}

async function hashOne(
  pool: WorkerPool<SourceTasks>,
  input: HashPartInput,
  lane: Lane,
  onEvent: (progress: PartProgress) => void,
  signal: AbortSignal,
  advance: Advance | undefined,
): Promise<HashedPart | undefined> {
  const carry = await advance?.room(input.to - input.from + longestChunkBytes, lane, signal);
  if (carry === undefined) return await pool.run('hashPart', input, signal, { onEvent });
  let hashed: HashedPart | undefined;
  try {
    hashed = await pool.run('hashPart', { ...input, carry }, signal, { onEvent });
  } finally {
    advance?.take(carry, hashed?.carried ?? []);
  }
  return hashed;
}

function fits(one: HashedPart | undefined, next: HashedPart | undefined): boolean {
  return one === undefined || next === undefined || one.end === next.begin;
}

function shrank(packs: readonly CarriedPack[]): boolean {
  return packs.some(({ length, rawBytes }) => length < rawBytes);
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
    carried: [],
  };
}
