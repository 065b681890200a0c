import { TowError } from '../../../protocol/base/errors.ts';
import { displayPath } from '../../../protocol/base/root-path.ts';
import type { ApiEvent } from '../../api/event.ts';
import { partialSource } from '../../sync/partial-source.ts';
import { problemsShown } from '../../sync/report-node.ts';
import { bytesText, countText } from '../../ui/format.ts';
import type { BucketThread, OpenBucket } from '../bucket-thread.ts';
import type { UploadResult } from '../upload/upload.ts';
import type { UploadSource } from '../upload/upload-entry.ts';
import { type StoragePlace, showPlace } from './storage-place.ts';
import type { StorageRecord, StorageRecords } from './storage-record.ts';

/** A storage as a task wants it. */
export interface StorageWish {
  readonly place: StoragePlace;
  readonly bucket: OpenBucket;
  readonly persistent: boolean;
  /** What is uploaded; none: the bucket is used as it is. */
  readonly sources: readonly UploadSource[];
  readonly mirror: boolean;
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
}

export interface PrepareOptions {
  /** Name of the cluster that uses it. */
  readonly cluster: string;
  /** What people see the root as. */
  readonly root: string;
  readonly verify: boolean;
  readonly allowPartial: boolean;
  readonly allowDelete: boolean;
  readonly emit: (event: ApiEvent) => void;
}

interface Means {
  readonly thread: BucketThread;
  readonly records: StorageRecords;
}

/**
 * Makes the bucket if it is missing, writes down that a cluster uses it, uploads its sources. Each step is on the disk before
 * the next: a bucket that Towline made is known as such, or it is empty.
 */
export async function prepareStorage(
  wish: StorageWish,
  means: Means,
  options: PrepareOptions,
  signal: AbortSignal,
): Promise<void> {
  const made = await makeOrAdopt(wish, means, options, signal);
  const record = await markUsed(made, wish, means.records, options.cluster);
  if (wish.sources.length === 0) return;
  const { place, bucket, sources, mirror, home, xdgConfigHome } = wish;
  const { root, verify, allowPartial, allowDelete, emit } = options;
  let result: UploadResult;
  try {
    result = await means.thread.upload(
      bucket,
      {
        sources,
        place: showPlace(place),
        indexFile: means.records.indexFile(place.bucket),
        home,
        xdgConfigHome,
        mirror,
        verify,
        allowPartial,
        allowDelete,
      },
      (event) => emit({ type: 'progress', node: '', root, ...event }),
      signal,
    );
    report(result, place, options);
  } catch (error) {
    await means.records.save({ ...record, state: 'UPLOAD_FAILED' });
    throw error;
  }
  await means.records.save({
    ...record,
    state: 'READY',
    uploaded: { objects: result.files, bytes: result.bytes },
  });
}

async function makeOrAdopt(
  { place, bucket, sources, persistent }: StorageWish,
  { thread, records }: Means,
  { emit }: PrepareOptions,
  signal: AbortSignal,
): Promise<StorageRecord> {
  const { store, bucket: name, region, endpoint } = place;
  const record = await records.get(name);
  const { exists, empty } = await thread.look(bucket, signal);
  const isKnown =
    record?.made === true ? record.state !== 'INIT' : record?.store === store && record.endpoint === endpoint;
  if (exists && record !== undefined && isKnown) return record;
  const now: StorageRecord = {
    version: 1,
    name,
    store,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    made: true,
    state: 'INIT',
    persistent,
    clusters: record?.clusters ?? [],
    createdAt: Date.now(),
  };
  if (exists) {
    // One that was being made when the controller died is ours if it has nothing in it.
    const made = record?.made === true && empty;
    if (!made && sources.length === 0)
      throw new TowError('bucket-taken', `${showPlace(place)}: somebody made this bucket meanwhile`, {
        hint: 'take another name',
      });
    if (!made)
      emit({
        type: 'note',
        level: 'info',
        text: `${showPlace(place)} is a bucket that tow did not make: it uploads to it, and never deletes it`,
      });
    const adopted: StorageRecord = { ...now, made, state: 'READY' };
    await records.save(adopted);
    return adopted;
  }
  if (record?.made === true && record.state !== 'INIT') {
    if (sources.length === 0)
      throw new TowError('bucket-missing', `${showPlace(place)}: the bucket was deleted, by somebody else than tow`, {
        hint: `tow storage delete ${name} forgets it; then it can be made anew`,
      });
    emit({
      type: 'note',
      level: 'warning',
      text: `${showPlace(place)} was deleted, by somebody else than tow: it is made again`,
    });
  }
  await records.removeIndex(name);
  await records.save(now);
  try {
    await thread.make(bucket, signal);
  } catch (error) {
    // When it is not known whether it was made, the record stays.
    const refused = error instanceof TowError && !error.retryable && error.code !== 'cancelled';
    if (refused) await records.remove(name);
    throw error;
  }
  const ready: StorageRecord = { ...now, state: 'READY' };
  await records.save(ready);
  emit({ type: 'note', level: 'info', text: `made bucket ${showPlace(place)}` });
  return ready;
}

async function markUsed(
  record: StorageRecord,
  { persistent }: StorageWish,
  records: StorageRecords,
  cluster: string,
): Promise<StorageRecord> {
  const clusters = record.clusters.includes(cluster) ? record.clusters : [...record.clusters, cluster];
  // Who wants it to stay is not overruled by who does not.
  const stays = record.persistent || persistent;
  if (clusters === record.clusters && stays === record.persistent) return record;
  const marked = { ...record, clusters, persistent: stays };
  await records.save(marked);
  return marked;
}

/** Tells what an upload came to. Throws `partial-source` for what could not be read. */
function report(
  { complete, sent, sentBytes, files, removed, kept, problems, warnings }: UploadResult,
  place: StoragePlace,
  { emit }: PrepareOptions,
): void {
  const warn = (text: string): void => emit({ type: 'note', level: 'warning', text });
  for (const warning of warnings) warn(warning);
  if (!complete) throw partialSource(`the source of ${place.bucket}`, problems);
  for (const { path, message } of problems.slice(0, problemsShown))
    warn(`not uploaded: ${displayPath(path)}: ${message}`);
  const [first] = kept;
  if (first !== undefined)
    warn(
      `${countText(kept.length)} of its objects were changed in the bucket since they were uploaded, and stay as they are (${displayPath(Buffer.from(first).toString('latin1'))}${kept.length > 1 ? ', …' : ''})`,
    );
  const gone = removed === 0 ? '' : `, removed ${countText(removed)}`;
  emit({
    type: 'note',
    level: 'info',
    text: `uploaded ${countText(sent)} of ${countText(files)} files (${bytesText(sentBytes)}) to ${showPlace(place)}${gone}`,
  });
}
