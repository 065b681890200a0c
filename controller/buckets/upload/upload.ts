/**
 * Brings local sources into a bucket: what changed since the last time, and nothing else. Adds and replaces; removes only
 * with `mirror`. An object that Towline did not write is never replaced or removed without `allowDelete`. Runs on a thread
 * of its own, since it lists and reads with blocking calls; what it sends goes side by side.
 */
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { type Problem, TowError } from '../../../protocol/base/errors.ts';
import { TaskGroup } from '../../../protocol/base/task-group.ts';
import { Grain } from '../../../protocol/pull/source/grain.ts';
import { listAll } from '../../../protocol/store/list-all.ts';
import type { ObjectHead, ObjectStat, ObjectStore } from '../../../protocol/store/object-store.ts';
import { ByteBudget } from './byte-budget.ts';
import { listSources } from './list-sources.ts';
import { objectMetadata } from './object-metadata.ts';
import { planUpload, type Same, type Send, stampOf, type UploadPlan, unreadable } from './plan-upload.ts';
import { sendEntry } from './send-entry.ts';
import type { UploadEntry, UploadSource } from './upload-entry.ts';
import { UploadIndex } from './upload-index.ts';

export interface UploadOptions {
  readonly sources: readonly UploadSource[];
  /** What the index is of: another place than last time has nothing of ours. */
  readonly place: string;
  readonly indexFile: string;
  /** For git's own configuration; of the request. */
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  readonly mirror: boolean;
  readonly verify: boolean;
  readonly allowPartial: boolean;
  readonly allowDelete: boolean;
  /** Shared; not 0 once nobody wants the result any more: seen while blocking. */
  readonly cancel: Int32Array;
}

export interface UploadEvent {
  readonly phase: 'scan' | 'upload';
  readonly files: number;
  readonly totalFiles: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface UploadResult {
  /** False when something could not be read, and `allowPartial` does not let that pass. */
  readonly complete: boolean;
  /** What the sources have for the bucket. */
  readonly files: number;
  readonly bytes: number;
  readonly sent: number;
  readonly sentBytes: number;
  readonly removed: number;
  /** Keys whose object somebody else changed, and whose file did not: left as they are. */
  readonly kept: readonly string[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** Requests at once, for files of any size. */
export const uploadWidth = 128;
const budgetBytes = 64 << 20;
const reportMs = 100;
const deleteBatch = 1000;
/** Fewer objects than this may all go at once. */
const manyObjects = 100;

/**
 * Rejects with `workdir-missing`, `nothing-to-sync`, `delete-refused` (see above, or most of what was uploaded would go),
 * `object-changed`, `cancelled`, and as `ObjectStore`. Whatever it was that failed: every object is whole, and what was
 * uploaded is not uploaded again.
 */
export async function upload(
  store: ObjectStore,
  options: UploadOptions,
  onEvent: (event: UploadEvent) => void,
  signal: AbortSignal,
): Promise<UploadResult> {
  const { allowPartial, allowDelete, verify, mirror } = options;
  const { entries, problems: unlisted, warnings } = listSources(options.sources, options);
  onEvent({ phase: 'scan', files: entries.size, totalFiles: 0, bytes: 0, totalBytes: 0 });
  const index = UploadIndex.open(options.indexFile, options.place);
  try {
    const listed = await listTargets(store, options.sources, entries, index, signal);
    await adoptIntended(store, listed, index, signal);
    const { versionIsMd5 } = store.traits;
    const check = (): void => {
      if (Atomics.load(options.cancel, 0) !== 0) throw new TowError('cancelled', 'cancelled');
    };
    const plan = planUpload(entries, listed, index, { verify, mirror, versionIsMd5, check });
    plan.problems.unshift(...unlisted);
    const totals = { files: entries.size, bytes: sum([...entries.values()].map(({ size }) => size)) };
    const nothing = { ...totals, sent: 0, sentBytes: 0, removed: 0, kept: plan.kept };
    if (plan.problems.length > 0 && !allowPartial)
      return { ...nothing, complete: false, problems: plan.problems, warnings };
    await resolveUnknown(store, plan, index, signal);
    if (!allowDelete) refuseReplacing(plan);
    if (!allowDelete && plan.problems.length === 0) refuseRemoving(plan, entries, index);
    plan.sends.push(...plan.foreign);
    const { sent, sentBytes } = await sendAll(store, plan, index, onEvent, signal);
    // What could not be read may be what seems to be gone.
    const removed = plan.problems.length > 0 ? 0 : await removeAll(store, plan.removals, index, signal);
    const complete = plan.problems.length === 0 || allowPartial;
    return { ...totals, complete, sent, sentBytes, removed, kept: plan.kept, problems: plan.problems, warnings };
  } finally {
    index.close();
  }
}

/** What the bucket has where something of the sources goes, and of what is in the index. */
async function listTargets(
  store: ObjectStore,
  sources: readonly UploadSource[],
  entries: ReadonlyMap<string, UploadEntry>,
  index: UploadIndex,
  signal: AbortSignal,
): Promise<Map<string, ObjectStat>> {
  const listed = new Map<string, ObjectStat>();
  const prefixes = sources.map(({ name }) => Buffer.from(name, 'latin1').toString());
  // A source that is one file is an object of that name; `name` and `name/…` have the same beginning.
  for (const prefix of prefixes) {
    for await (const page of listAll(store, prefix, signal)) {
      for (const object of page)
        if (entries.has(object.key) || index.get(object.key) !== undefined || index.intended(object.key).length > 0)
          listed.set(object.key, object);
    }
  }
  return listed;
}

/**
 * Objects that an upload wrote which was killed before it could say so are Towline's: they are as it said that it would write
 * them. Otherwise they would be somebody else's once the files are edited, and be kept, or refused.
 */
async function adoptIntended(
  store: ObjectStore,
  listed: ReadonlyMap<string, ObjectStat>,
  index: UploadIndex,
  signal: AbortSignal,
): Promise<void> {
  const maybe = [...listed.values()].filter(
    ({ key, version }) => index.intended(key).length > 0 && index.get(key)?.version !== version,
  );
  await eachAtOnce(maybe, signal, async ({ key, version, size }, inner) => {
    const head = await store.head(key, inner);
    if (head?.version !== version) return;
    const intent = index.intended(key).find((one) => one.size === size && hasMetadataOf(head, one));
    // Its file is read again: nothing says that it is still what was sent.
    if (intent !== undefined) index.set(key, { ...intent, ctimeNs: -1n, md5: head.md5 ?? '', version, ours: true });
  });
}

function hasMetadataOf({ metadata }: ObjectHead, file: Parameters<typeof objectMetadata>[0]): boolean {
  const wanted = objectMetadata(file).metadata;
  return metadata['mode'] === wanted['mode'] && metadata['mtime'] === wanted['mtime'];
}

/** Asks for the heads of objects that may be what they should be: the same bytes, or even written by an upload that did not get to say so. */
async function resolveUnknown(
  store: ObjectStore,
  plan: UploadPlan,
  index: UploadIndex,
  signal: AbortSignal,
): Promise<void> {
  await eachAtOnce(plan.unknown, signal, async ({ entry, object, md5 }, inner) => {
    const head = await store.head(object.key, inner);
    if (head === undefined || head.version !== object.version)
      throw new TowError('object-changed', `${object.key}: the object was replaced while it was looked at`, {
        hint: 'run it again',
        retryable: true,
      });
    const ours = hasMetadataOf(head, entry);
    if (md5 !== '' && head.md5 === md5) {
      index.set(entry.key, { ...stampOf(entry), md5, version: object.version, ours });
      plan.unchanged += 1;
    } else (ours ? plan.sends : plan.foreign).push({ entry, over: object });
  });
}

function refuseReplacing({ foreign }: UploadPlan): void {
  const [first] = foreign;
  if (first === undefined) return;
  const count = foreign.length === 1 ? 'one object' : `${foreign.length} objects`;
  throw new TowError(
    'delete-refused',
    `${count} of the bucket would be replaced that tow did not write, the first is ${JSON.stringify(first.entry.key)}`,
    { hint: 'rename the files or take another bucket; --allow-delete replaces the objects' },
  );
}

/** As a root does: a source that looks emptied is not taken at its word. */
function refuseRemoving(
  { removals }: UploadPlan,
  entries: ReadonlyMap<string, UploadEntry>,
  { size }: UploadIndex,
): void {
  const most = size >= manyObjects && removals.length * 2 > size;
  if (removals.length === 0 || (entries.size > 0 && !most)) return;
  throw new TowError('delete-refused', `${removals.length} of ${size} uploaded objects would be removed`, {
    hint: 'look whether the source is the right one; --allow-delete removes them',
  });
}

async function sendAll(
  store: ObjectStore,
  plan: UploadPlan,
  index: UploadIndex,
  onEvent: (event: UploadEvent) => void,
  signal: AbortSignal,
): Promise<{ readonly sent: number; readonly sentBytes: number }> {
  let [files, bytes, reportedAt] = [0, 0, 0];
  const totalFiles = plan.sends.length;
  const totalBytes = sum(plan.sends.map(({ entry }) => entry.size));
  const report = (): void => {
    if (Date.now() - reportedAt < reportMs && files < totalFiles) return;
    reportedAt = Date.now();
    onEvent({ phase: 'upload', files, totalFiles, bytes, totalBytes });
  };
  const onBytes = (count: number): void => {
    bytes += count;
    report();
  };
  const onIntent = index.intend.bind(index);
  const context = { store, budget: new ByteBudget(budgetBytes), grain: new Grain(), onBytes, onIntent };
  await eachAtOnce(plan.describes, signal, async (same, inner) => await describe(store, same, index, inner));
  await eachAtOnce(plan.sends, signal, async (send: Send, inner) => {
    try {
      const sent = await sendEntry(send, context, inner);
      if (sent !== undefined) index.set(send.entry.key, sent);
    } catch (error) {
      const unstable = error instanceof TowError && error.code === 'source-unstable';
      if (unstable) plan.problems.push({ path: send.entry.where, code: error.code, message: error.message });
      else plan.problems.push(unreadable(send.entry, error));
    }
    files += 1;
    report();
  });
  return { sent: files + plan.describes.length, sentBytes: bytes };
}

/** Gives an object the metadata of its file, on the service's side. One that is too large for that keeps what it has. */
async function describe(store: ObjectStore, same: Same, index: UploadIndex, signal: AbortSignal): Promise<void> {
  const { entry, object, md5 } = same;
  const replace = objectMetadata(entry);
  const options = { ifVersion: object.version, replace };
  index.intend(object.key, stampOf(entry));
  const { version } =
    object.size <= store.traits.copyBytes
      ? await store.copy(object.key, object.key, options, signal)
      : { version: object.version };
  index.set(object.key, { ...stampOf(entry), md5, version, ours: true });
}

async function removeAll(
  store: ObjectStore,
  keys: readonly string[],
  index: UploadIndex,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  for (let at = 0; at < keys.length; at += deleteBatch) {
    const batch = keys.slice(at, at + deleteBatch);
    const failures = new Map((await store.deleteMany(batch, signal)).map(({ key, message }) => [key, message]));
    for (const key of batch) if (!failures.has(key)) index.delete(key);
    removed += batch.length - failures.size;
    const [first] = failures;
    if (first !== undefined)
      throw new TowError(
        'store-failed',
        `${failures.size} objects cannot be removed, the first is ${first.join(': ')}`,
      );
  }
  return removed;
}

async function eachAtOnce<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const group = new TaskGroup(signal);
  const next = items.values();
  for (let worker = 0; worker < Math.min(uploadWidth, items.length); worker += 1) {
    group.run(async (inner) => {
      for (const item of next) {
        throwIfAborted(inner);
        await work(item, inner);
      }
    });
  }
  await group.wait();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
