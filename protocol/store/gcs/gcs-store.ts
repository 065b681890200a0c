/**
 * Google Cloud Storage as an object store. Tried against a server of ours (test/helpers/gcs) that Google's own client
 * finds nothing amiss with; never run against Google's service itself.
 *
 * Google's client library (@google-cloud/storage) does not carry the requests, only google-auth-library finds a node's
 * credentials. The client cannot cancel a request, always reads STORAGE_EMULATOR_HOST and the proxy variables, gets no
 * user metadata with a download, and forgets what to replace when a copy takes more than one call.
 */
import { type Clock, systemClock } from '../../base/clock.ts';
import { TowError } from '../../base/errors.ts';
import type { StoreAccess } from '../../wire/store-access.ts';
import type {
  DeleteFailure,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectHead,
  ObjectStat,
  ObjectStore,
  PutOptions,
  Upload,
  WriteOptions,
} from '../object-store.ts';
import { eachAtOnce } from './at-once.ts';
import { ComposedUpload } from './composed-upload.ts';
import { openCredentials } from './credentials.ts';
import { download } from './download.ts';
import { GcsApi, post } from './gcs-api.ts';
import {
  bucketExists,
  createBucket,
  deleteBucket,
  deleteObject,
  deletesAtOnce,
  listObjects,
  unless,
} from './gcs-bucket.ts';
import { gcsTraits } from './gcs-traits.ts';
import { generationOf, insertObject, resourceOf } from './insert.ts';
import { checkBucketName, checkNameable, isNameable, objectUri, partsPrefix } from './object-name.ts';
import { headSchema, objectFields, rewriteSchema, statFields } from './resources.ts';
import { Transport } from './transport.ts';

export type GcsAccess = Extract<StoreAccess, { service: 'gcs' }>;

export interface GcsOptions {
  readonly clock?: Clock;
  /** After so many milliseconds without a byte a request has failed. */
  readonly silenceMs?: number;
  /** Newer access to the same bucket, before a token ends. */
  readonly refresh?: () => Promise<GcsAccess>;
}

/** Asks nothing of the service yet. Rejects with `bucket-missing` if no bucket can have that name. */
export async function openGcsStore(access: GcsAccess, options: GcsOptions = {}): Promise<ObjectStore> {
  const { clock = systemClock, silenceMs = 60_000, refresh } = options;
  checkBucketName(access.bucket);
  const credentials = await openCredentials(
    access.credentials,
    clock,
    refresh === undefined ? undefined : async () => (await refresh()).credentials,
  );
  const api = new GcsApi(access.bucket, access.endpoint, credentials, new Transport(silenceMs));
  return new GcsStore(api, access.project);
}

class GcsStore implements ObjectStore {
  readonly traits = gcsTraits;
  readonly #api: GcsApi;
  readonly #project: string | undefined;

  constructor(api: GcsApi, project: string | undefined) {
    this.#api = api;
    this.#project = project;
  }

  async bucketExists(signal: AbortSignal): Promise<boolean> {
    return await bucketExists(this.#api, signal);
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    await createBucket(this.#api, this.#project, signal);
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    await deleteBucket(this.#api, signal);
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ListPage> {
    const { objects, prefixes, next } = await listObjects(this.#api, options, signal);
    return {
      objects: objects.filter(({ key }) => !key.startsWith(partsPrefix)),
      prefixes: prefixes.filter((prefix) => !prefix.startsWith(partsPrefix)),
      next,
    };
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    if (!isNameable(key)) return undefined;
    const url = this.#object(key, [], { fields: objectFields });
    return await this.#api
      .json(headSchema, { method: 'GET', url, headers: {} }, key, signal)
      .catch(unless('object-missing', undefined));
  }

  async get(key: string, options: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    if (!isNameable(key)) throw this.#missing(key);
    const body = await download(this.#api, key, options, signal);
    if (body !== undefined) return body;
    // The range begins beyond the end, and such an answer has no head.
    const head = await this.head(key, signal);
    if (head === undefined) throw this.#missing(key);
    const { range, ifVersion = head.version } = options;
    if (head.version === ifVersion && (range?.start ?? 0) >= head.size) return { head, bytes: nothing() };
    throw new TowError('object-changed', `${this.#name(key)}: was replaced while it was read`);
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions, signal: AbortSignal): Promise<ObjectStat> {
    checkNameable(this.#api.bucket, key);
    return await insertObject(this.#api, key, bytes, options, signal);
  }

  async startUpload(key: string, options: WriteOptions): Promise<Upload> {
    checkNameable(this.#api.bucket, key);
    return new ComposedUpload(this.#api, key, options);
  }

  async copy(
    from: string,
    to: string,
    options: { readonly ifVersion?: string; readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'> },
    signal: AbortSignal,
  ): Promise<ObjectStat> {
    checkNameable(this.#api.bucket, to);
    if (!isNameable(from)) throw this.#missing(from);
    const { ifVersion, replace } = options;
    const query = {
      ifSourceGenerationMatch: ifVersion === undefined ? undefined : generationOf(this.#api.bucket, from, ifVersion),
      fields: `done,rewriteToken,resource(${statFields})`,
    };
    const resource = replace === undefined ? {} : resourceOf(replace);
    // Every call must say the same as the first, and brings the copy some way on.
    for (let rewriteToken: string | undefined; ; ) {
      const url = this.#object(from, ['rewriteTo', 'b', this.#api.bucket, 'o', to], { ...query, rewriteToken });
      const answer = await this.#api.json(rewriteSchema, post(url, resource), from, signal);
      if (answer.done) return answer.resource;
      rewriteToken = answer.rewriteToken;
    }
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    if (isNameable(key)) await deleteObject(this.#api, key, signal);
  }

  /** One request a key: Google's batches take 100, and do them one by one. */
  async deleteMany(keys: readonly string[], signal: AbortSignal): Promise<readonly DeleteFailure[]> {
    const failures: DeleteFailure[] = [];
    const remove = async (key: string, groupSignal: AbortSignal): Promise<void> => {
      try {
        await this.delete(key, groupSignal);
      } catch (error) {
        if (!isOfOneObject(error)) throw error;
        failures.push({ key, message: error.message });
      }
    };
    await eachAtOnce(keys, deletesAtOnce, remove, signal);
    return failures;
  }

  #object(key: string, more: readonly string[], query: Readonly<Record<string, string | undefined>>): string {
    return this.#api.url([this.#api.bucket, 'o', key, ...more], query);
  }

  #missing(key: string): TowError {
    return new TowError('object-missing', `${this.#name(key)}: no such object`);
  }

  #name(key: string): string {
    return objectUri(this.#api.bucket, key);
  }
}

/** A hold, or a rule for some keys, says nothing of the others; all else would fail them too. */
function isOfOneObject(error: unknown): error is TowError {
  return error instanceof TowError && (error.code === 'store-forbidden' || error.code === 'store-failed');
}

async function* nothing(): AsyncGenerator<Uint8Array, void, void> {}
