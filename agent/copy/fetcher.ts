/** Fetches objects into the stage, many at once, small ones whole and large ones by ranges. */
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { type Problem, TowError } from '../../protocol/base/errors.ts';
import { bytesOf, type RootPath } from '../../protocol/base/root-path.ts';
import { Slots } from '../../protocol/base/slots.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import type { CopyStage } from './copy-stage.ts';
import { RangedFetch } from './fetch-ranges.ts';
import { fetchSmall, smallBytes } from './fetch-small.ts';

/** Where objects are asked for. */
export interface CopyStores {
  readonly bucket: ObjectStore;
  /** The bucket, or what has some of its objects nearer: asked for each object once. */
  readonly first: ObjectStore;
}

export interface WantedObject {
  readonly path: RootPath;
  readonly object: ObjectStat;
}

export interface FetchEvents {
  /** The object is in the stage, whole. */
  staged(wanted: WantedObject, where: string): void;
  /** It is a directory by its metadata. */
  directory(wanted: WantedObject): void;
  /** It is not in the bucket any more. */
  gone(path: RootPath): void;
  problem(problem: Problem): void;
  bytes(count: number): void;
  /** Bytes that an earlier run had fetched. */
  held(count: number): void;
}

/** Times an object is fetched anew that changes while it is fetched. */
const maxRounds = 3;

/** Requests at once: a small object costs its round trip and little else, so that many must be on their way. */
export const fetchWidth = 128;

/** Of these, for ranges of large objects: they fill any line. */
const rangesWidth = 16;

/**
 * Fetches all of `wanted`. An object that was replaced meanwhile is fetched in its new version; one that may not be read
 * is a problem, unless none may. Rejects with what ends the whole: no access, or it has ended, the service is out of reach,
 * the disk is full, or `signal`.
 */
export async function fetchAll(
  { bucket, first }: CopyStores,
  stage: CopyStage,
  wanted: readonly WantedObject[],
  events: FetchEvents,
  signal: AbortSignal,
): Promise<void> {
  let left = wanted;
  for (let round = 1; left.length > 0; round += 1) {
    const failures = await fetchRound(round === 1 ? first : bucket, stage, left, events, signal);
    const refused = failures.filter(({ error }) => error.code === 'store-forbidden');
    if (round === 1 && refused[0] !== undefined && refused.length === wanted.length) throw refused[0].error;
    const again = failures.filter(({ error }) => mayBeMended.has(error.code));
    for (const failure of round === maxRounds ? failures : failures.filter((one) => !again.includes(one)))
      events.problem(problemOf(failure.wanted.path, failure.error));
    if (round === maxRounds) return;
    left = await lookAgain(bucket, again, events, signal);
  }
}

interface Failure {
  readonly wanted: WantedObject;
  readonly error: TowError;
}

async function fetchRound(
  store: ObjectStore,
  stage: CopyStage,
  wanted: readonly WantedObject[],
  events: FetchEvents,
  signal: AbortSignal,
): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const ranges = new Slots(rangesWidth);
  const queue = wanted.values();
  const group = new TaskGroup(signal);
  for (let worker = 0; worker < Math.min(fetchWidth, wanted.length); worker += 1) {
    group.run(async (inner) => {
      for (const one of queue) {
        throwIfAborted(inner);
        try {
          await fetchOne(store, stage, one, events, ranges, inner);
        } catch (error) {
          if (!(error instanceof TowError) || inner.aborted) throw error;
          if (!mayBeMended.has(error.code) && !concernsOne.has(error.code)) throw error;
          failures.push({ wanted: one, error });
        }
      }
    });
  }
  await group.wait();
  return failures;
}

const mayBeMended = new Set(['object-changed', 'object-missing', 'object-corrupt']);
const concernsOne = new Set(['store-forbidden', 'not-supported']);

async function fetchOne(
  store: ObjectStore,
  stage: CopyStage,
  wanted: WantedObject,
  events: FetchEvents,
  ranges: Slots,
  signal: AbortSignal,
): Promise<void> {
  const { path, object } = wanted;
  const where = stage.where(path, object);
  if (stage.has(path, object)) {
    events.held(object.size);
    events.staged(wanted, where);
    return;
  }
  if (object.size <= smallBytes) {
    const kind = await fetchSmall(store, object, where, signal);
    events.bytes(object.size);
    if (kind === 'file') events.staged(wanted, where);
    else events.directory(wanted);
    return;
  }
  using ranged = new RangedFetch(store, object, where);
  events.held(ranged.heldBytes);
  if (ranged.ranges.length === 0) await ranged.finishHeld(signal);
  const queue = ranged.ranges.values();
  const group = new TaskGroup(signal);
  for (let worker = 0; worker < Math.min(rangesWidth, ranged.ranges.length); worker += 1) {
    group.run(async (inner) => {
      for (const index of queue)
        await ranges.run(async () => {
          await ranged.fetch(index, (bytes) => events.bytes(bytes), inner);
        }, inner);
    });
  }
  await group.wait();
  events.staged(wanted, where);
}

/** What became of the objects that were not what the listing said. */
async function lookAgain(
  store: ObjectStore,
  again: readonly Failure[],
  events: FetchEvents,
  signal: AbortSignal,
): Promise<readonly WantedObject[]> {
  const left: WantedObject[] = [];
  const queue = again.values();
  const group = new TaskGroup(signal);
  for (let worker = 0; worker < Math.min(fetchWidth, again.length); worker += 1) {
    group.run(async (inner) => {
      for (const { wanted } of queue) {
        const head = await store.head(wanted.object.key, inner);
        if (head === undefined) events.gone(wanted.path);
        else left.push({ path: wanted.path, object: head });
      }
    });
  }
  await group.wait();
  return left;
}

function problemOf(path: RootPath, error: TowError): Problem {
  return { path, code: error.code, message: bytesOf(error.message) };
}
