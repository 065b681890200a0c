/** The bucket itself: whether it is there, making it, deleting it. */
import { TowError } from '../../base/errors.ts';
import type { ListOptions, ListPage } from '../object-store.ts';
import { eachAtOnce } from './at-once.ts';
import { type GcsApi, post } from './gcs-api.ts';
import { partsPrefix } from './object-name.ts';
import { listSchema, statFields } from './resources.ts';

/** Parts of uploads that nobody finished, in buckets that Towline made: Google removes them. */
const partsLiveDays = 7;

export const deletesAtOnce = 16;

export function bucketResource(name: string): unknown {
  const condition = { age: partsLiveDays, matchesPrefix: [partsPrefix] };
  return { name, lifecycle: { rule: [{ action: { type: 'Delete' }, condition }] } };
}

/** Asked by a listing: who may read and write objects may seldom ask for the bucket itself. */
export async function bucketExists(api: GcsApi, signal: AbortSignal): Promise<boolean> {
  const url = api.url([api.bucket, 'o'], { maxResults: 1, fields: 'prefixes' });
  return await api
    .done({ method: 'GET', url, headers: {} }, undefined, signal)
    .then(() => true, unless('bucket-missing', false));
}

export async function createBucket(api: GcsApi, project: string | undefined, signal: AbortSignal): Promise<void> {
  if (project === undefined) {
    const hint = 'set it with `gcloud config set project`, or GOOGLE_CLOUD_PROJECT';
    throw new TowError('store-failed', `gs://${api.bucket}: no project to make the bucket in`, { hint });
  }
  const request = post(api.url([], { project, fields: 'name' }), bucketResource(api.bucket));
  if ((await api.done(request, undefined, signal, [200, 409])) === 200) return;
  // Taken. Only its owner, and those the owner named, may ask for the bucket itself; everybody may list a public one.
  const url = api.url([api.bucket], { fields: 'name' });
  const ours = await api
    .done({ method: 'GET', url, headers: {} }, undefined, signal)
    .then(() => true, unless('store-forbidden', false));
  if (!ours) throw new TowError('bucket-taken', `gs://${api.bucket}: somebody else has a bucket of this name`);
}

export async function deleteBucket(api: GcsApi, signal: AbortSignal): Promise<void> {
  const request = { method: 'DELETE', url: api.url([api.bucket]), headers: {} } as const;
  const attempt = async (): Promise<void> => {
    await api.done(request, undefined, signal).catch(unless('bucket-missing', undefined));
  };
  try {
    await attempt();
  } catch (error) {
    // What fills it may be parts of uploads alone: listings of ours do not show them, so no caller can remove them.
    if (!(error instanceof TowError) || error.code !== 'store-failed') throw error;
    if (!(await removeParts(api, signal))) throw error;
    await attempt();
  }
}

/** Whether the bucket had parts, and nothing else; then they are gone. */
async function removeParts(api: GcsApi, signal: AbortSignal): Promise<boolean> {
  const names: string[] = [];
  for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
    const page = await listObjects(api, { prefix: '', ...(cursor === undefined ? {} : { cursor }) }, signal);
    if (page.objects.some(({ key }) => !key.startsWith(partsPrefix))) return false;
    names.push(...page.objects.map(({ key }) => key));
    cursor = page.next;
  }
  await eachAtOnce(
    names,
    deletesAtOnce,
    async (name, groupSignal) => await deleteObject(api, name, groupSignal),
    signal,
  );
  return names.length > 0;
}

/** What is there, parts of uploads as well. */
export async function listObjects(api: GcsApi, options: ListOptions, signal: AbortSignal): Promise<ListPage> {
  const url = api.url([api.bucket, 'o'], {
    prefix: options.prefix === '' ? undefined : options.prefix,
    delimiter: options.delimiter,
    pageToken: options.cursor,
    maxResults: Math.min(options.limit ?? 1000, 1000),
    fields: `items(${statFields}),prefixes,nextPageToken`,
  });
  const page = await api.json(listSchema, { method: 'GET', url, headers: {} }, undefined, signal);
  return { objects: page.items, prefixes: page.prefixes, next: page.nextPageToken };
}

export async function deleteObject(api: GcsApi, key: string, signal: AbortSignal): Promise<void> {
  const request = { method: 'DELETE', url: api.url([api.bucket, 'o', key]), headers: {} } as const;
  await api.done(request, key, signal).catch(unless('object-missing', undefined));
}

/** For `catch`: this error is an answer. */
export function unless<T>(code: TowError['code'], answer: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof TowError && error.code === code) return answer;
    throw error;
  };
}
