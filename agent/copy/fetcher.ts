/** Fetches objects into the stage, many at once, small ones whole and large ones by ranges. */
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { type Problem, TowError } from '../../protocol/base/errors.ts';
import { bytesOf, type RootPath } from '../../protocol/base/root-path.ts';
import { Slots } from '../../protocol/base/slots.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import { AccessCheck } from './access-check.ts';
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
 * is a problem, unless none may any more (`readable` could be, in an earlier run). Rejects with what ends the whole: no
 * access, or it has ended, the service is out of reach, the disk is full, or `signal`.
 */
export async function fetchAll(
  { bucket, first }: CopyStores,
  stage: CopyStage,
  wanted: readonly WantedObject[],
  readable: ObjectStat | undefined,
  events: FetchEvents,
  signal: AbortSignal,
): Promise<void> {
  const access = new AccessCheck(bucket, readable);
  const ranges = new Slots(rangesWidth);
  let left = wanted;
  for (let round = 1; left.length > 0; round += 1) {
    const fetching: Fetching = { store: round === 1 ? first : bucket, stage, events, access, ranges };
    const failures = await eachAtOnce(left, fetching, fetchOne, signal);
    const again = round === maxRounds ? [] : failures.filter(({ error }) => mayBeMended.has(error.code));
    const looked: WantedObject[] = [];
    const lost = await eachAtOnce(
      again.map((failure) => failure.wanted),
      fetching,
      async (_, { path, object }, inner) => {
        const head = await bucket.head(object.key, inner);
        if (head === undefined) events.gone(path);
        else looked.push({ path, object: head });
      },
      signal,
    );
    for (const failure of [...failures.filter((one) => !again.includes(one)), ...lost])
      events.problem(problemOf(failure.wanted.path, failure.error));
    left = looked;
  }
}

interface Fetching {
  readonly store: ObjectStore;
  readonly stage: CopyStage;
  readonly events: FetchEvents;
  readonly access: AccessCheck;
  /** For ranges of all large objects together. */
  readonly ranges: Slots;
}

interface Failure {
  readonly wanted: WantedObject;
  readonly error: TowError;
}

/** Does something for each object, many at once; returns those where it failed for a reason of their own. */
async function eachAtOnce(
  wanted: readonly WantedObject[],
  fetching: Fetching,
  work: (fetching: Fetching, wanted: WantedObject, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<readonly Failure[]> {
  const { access } = fetching;
  const failures: Failure[] = [];
  const queue = wanted.values();
  const group = new TaskGroup(signal);
  for (let worker = 0; worker < Math.min(fetchWidth, wanted.length); worker += 1) {
    group.run(async (inner) => {
      for (const one of queue) {
        throwIfAborted(inner);
        try {
          await work(fetching, one, inner);
        } catch (error) {
          if (!(error instanceof TowError) || inner.aborted) throw error;
          if (AccessCheck.isDenial(error)) await access.denied(error, inner);
          else if (!mayBeMended.has(error.code) && error.code !== 'not-supported') throw error;
          failures.push({ wanted: one, error });
        }
      }
    });
  }
  await group.wait();
  await access.settle(signal);
  return failures;
}

const mayBeMended = new Set(['object-changed', 'object-missing', 'object-corrupt']);

async function fetchOne(
  { store, stage, events, ranges, access }: Fetching,
  wanted: WantedObject,
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
    access.read(object);
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
  access.read(object);
  events.staged(wanted, where);
}

function problemOf(path: RootPath, error: TowError): Problem {
  return { path, code: error.code, message: bytesOf(error.message) };
}
