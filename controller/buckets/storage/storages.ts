/** The storages that tasks name: where each is, its bucket made and filled, what Towline made and may delete again. */
import { basename } from 'node:path';
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { bytesOf } from '../../../protocol/base/root-path.ts';
import type { ObjectStore } from '../../../protocol/store/object-store.ts';
import type { StoreAccess } from '../../../protocol/wire/store-access.ts';
import { showBucketUri } from '../../task/bucket-uri.ts';
import type { Storage, StorageSource } from '../../task/task.ts';
import { BucketThread, type OpenBucket } from '../bucket-thread.ts';
import { type AccessRequest, resolveAccess } from '../resolve-access.ts';
import type { UploadSource } from '../upload/upload-entry.ts';
import { chooseStore } from './choose-store.ts';
import { type PrepareOptions, prepareStorage } from './prepare-storage.ts';
import { explainForbidden, refuseBucket } from './refuse-bucket.ts';
import { checkCredentials, checkPlace, endpointOf, type StoragePlace, showPlace } from './storage-place.ts';
import { type StorageRecord, StorageRecords } from './storage-record.ts';

/** The buckets of this machine: one instance each, in this process. */
export interface LocalStores {
  get(name: string): ObjectStore;
}

export interface StorageRequest {
  readonly storage: Storage;
  /** Its `credentials` are how the nodes open the bucket. */
  readonly access: AccessRequest;
  readonly xdgConfigHome: string | undefined;
  readonly mirror: boolean;
}

/** A storage of a task, looked at and not yet touched. */
export interface OpenStorage {
  /** For people. */
  readonly shown: string;
  readonly prefix: string;
  readonly mayBeEmpty: boolean;
  /** Name of a bucket of this machine. */
  readonly local: string | undefined;
  /** How the nodes open it. */
  access(signal: AbortSignal): Promise<StoreAccess>;
  /** Makes the bucket if it is missing, and uploads what the task says. One at a time for each storage. */
  prepare(options: PrepareOptions, signal: AbortSignal): Promise<void>;
}

export interface StoragesOptions {
  /** `controller/storages`. */
  readonly directory: string;
  /** Bundle that serves the roles 'bucket' and 'sdk'. */
  readonly script: string;
  readonly local: LocalStores;
}

/** Where buckets of IBM are made. */
const ibmRegion = 'us-east';

export class Storages {
  readonly #options: StoragesOptions;
  readonly #records: StorageRecords;
  /** The last of those that wait for a storage; none rejects. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(options: StoragesOptions) {
    this.#options = options;
    this.#records = new StorageRecords(options.directory);
  }

  /**
   * Finds where the storage of a task is. Rejects with `bucket-missing` and `bucket-taken` (what is there does not fit what
   * the task says), `storage-mismatch`, `credentials-missing`, and as `ObjectStore`.
   */
  async open(request: StorageRequest, signal: AbortSignal): Promise<OpenStorage> {
    const { storage } = request;
    if (storage.source?.type === 'bucket') return await this.#openUri(storage.source, request, signal);
    const name = storage.name;
    if (name === undefined) throw new TowError('internal', 'a storage without a name or a bucket');
    const record = await this.#records.get(name);
    const wanted = storage.store ?? { kind: record?.store, endpoint: record?.endpoint };
    const store = wanted.kind ?? (await chooseStore(request.access, signal));
    const region = store === 'ibm' ? (record?.region ?? ibmRegion) : undefined;
    const asked: StoragePlace = { store, bucket: name, region, endpoint: wanted.endpoint };
    if (record?.made === true && record.store !== store) checkPlace(name, placeOf(record), asked);
    const bucket = await this.#openBucket(asked, request.access, signal);
    const place = placeNow(asked, bucket);
    if (record?.made === true) checkPlace(name, placeOf(record), place);
    if (bucket.type === 'cloud') checkCredentials(store, name, bucket.access);
    if (record?.made !== true || record.state === 'INIT') {
      await using thread = new BucketThread(this.#options.script);
      const found = await explainForbidden(name, showPlace(place), () => thread.look(bucket, signal));
      refuseBucket(storage, name, showPlace(place), found.exists, record?.made === true);
    }
    return {
      shown: showPlace(place),
      prefix: '',
      mayBeEmpty: true,
      local: store === 'local' ? name : undefined,
      access: async (during) => await this.#accessForNodes(place, request.access, during),
      prepare: async (options, during) => {
        await this.#inTurn(name, during, async () => {
          const wish = {
            place,
            bucket,
            persistent: storage.persistent,
            sources: sourcesOf(storage.source),
            mirror: request.mirror,
            home: request.access.home,
            xdgConfigHome: request.xdgConfigHome,
          };
          await using thread = new BucketThread(this.#options.script);
          await prepareStorage(wish, { thread, records: this.#records }, options, during);
        });
      },
    };
  }

  /** Those that Towline made, by name. */
  async list(): Promise<readonly StorageRecord[]> {
    return (await this.#records.all()).filter(({ made }) => made);
  }

  /**
   * Deletes a storage that Towline made, with all that is in it; resolves with how many objects that were. Rejects with
   * `unknown-storage` when it made none of this name, and as `ObjectStore`.
   */
  async delete(
    name: string,
    request: AccessRequest,
    onObjects: (count: number) => void,
    signal: AbortSignal,
  ): Promise<number> {
    return await this.#inTurn(name, signal, async () => {
      const record = /^[a-z0-9][-a-z0-9._]*$/.test(name) ? await this.#records.get(name) : undefined;
      if (record?.made !== true) {
        throw new TowError(
          'unknown-storage',
          record === undefined
            ? `there is no storage ${name} that tow made`
            : `the bucket ${name} is in use, but tow did not make it`,
          { hint: 'tow storage ls lists those that tow made; it deletes no others' },
        );
      }
      return await this.#deleteMade(record, request, onObjects, signal);
    });
  }

  /**
   * A cluster is gone: storages that were to last no longer than their clusters go with the last of them. Calls `deleted`,
   * or `failed` for one that has to stay for now. `living` are the names of the other clusters.
   */
  async release(
    cluster: string,
    living: readonly string[],
    request: AccessRequest,
    report: {
      deleted(record: StorageRecord, objects: number): void;
      failed(record: StorageRecord, error: unknown): void;
    },
    signal: AbortSignal,
  ): Promise<void> {
    for (const { name } of await this.#records.all()) {
      await this.#inTurn(name, signal, async () => {
        const record = await this.#records.get(name);
        if (record?.clusters.includes(cluster) !== true) return;
        const clusters = record.clusters.filter((other) => living.includes(other));
        const left = { ...record, clusters };
        await this.#records.save(left);
        if (!record.made || record.persistent || clusters.length > 0) return;
        try {
          report.deleted(left, await this.#deleteMade(left, request, () => undefined, signal));
        } catch (error) {
          report.failed(left, error);
        }
      });
    }
  }

  async #deleteMade(
    record: StorageRecord,
    request: AccessRequest,
    onObjects: (count: number) => void,
    signal: AbortSignal,
  ): Promise<number> {
    const { name } = record;
    const asked = placeOf(record);
    const bucket = await this.#openBucket(asked, request, signal);
    checkPlace(name, asked, placeNow(asked, bucket));
    if (bucket.type === 'cloud') checkCredentials(record.store, name, bucket.access);
    await using thread = new BucketThread(this.#options.script);
    let objects = 0;
    // Whether one that was being made when the controller died is ours cannot be told; if it has anything, it is not.
    const isOurs = record.state !== 'INIT' || (await thread.look(bucket, signal)).empty;
    if (isOurs) objects = await thread.remove(bucket, onObjects, signal);
    await this.#records.remove(name);
    return objects;
  }

  async #openUri(
    { uri }: Extract<StorageSource, { readonly type: 'bucket' }>,
    { access: request }: StorageRequest,
    signal: AbortSignal,
  ): Promise<OpenStorage> {
    const { store, bucket, region, prefix } = uri;
    const shown = showBucketUri(uri);
    const place: StoragePlace = { store, bucket, region, endpoint: undefined };
    if (request.credentials === 'forward') {
      const opened = await this.#openBucket(place, request, signal);
      await using thread = new BucketThread(this.#options.script);
      // Who may not look at the bucket may be let into what is below the prefix: the nodes see.
      const exists = await thread.look(opened, signal).then(
        (found) => found.exists,
        (error: unknown) => {
          if (error instanceof TowError && error.code === 'store-forbidden') return true;
          throw error;
        },
      );
      if (!exists)
        throw new TowError('bucket-missing', `${shown}: there is no such bucket`, {
          hint: 'correct the URI; to have tow make a bucket, write name: instead of source:',
        });
    }
    return {
      shown,
      prefix,
      mayBeEmpty: prefix === '',
      local: undefined,
      access: async (during) => await this.#accessForNodes(place, request, during),
      prepare: async () => undefined,
    };
  }

  async #accessForNodes(place: StoragePlace, request: AccessRequest, signal: AbortSignal): Promise<StoreAccess> {
    const { store, bucket, region, endpoint } = place;
    if (store === 'local') return { service: 'local', bucket };
    return await resolveAccess({ store, bucket, region, endpoint }, request, signal);
  }

  async #openBucket(place: StoragePlace, asked: AccessRequest, signal: AbortSignal): Promise<OpenBucket> {
    const { store, bucket, region, endpoint } = place;
    if (store === 'local') {
      return { type: 'local', store: this.#options.local.get(bucket) };
    }
    const request: AccessRequest = { ...asked, credentials: 'forward' };
    const cloud = { store, bucket, region, endpoint };
    return { type: 'cloud', access: await resolveAccess(cloud, request, signal), place: cloud, request };
  }

  async #inTurn<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const done = before.then(async () => {
      throwIfAborted(signal);
      return await work();
    });
    const settled = done.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(name, settled);
    try {
      return await done;
    } finally {
      if (this.#turns.get(name) === settled) this.#turns.delete(name);
    }
  }
}

function placeOf({ name, store, region, endpoint }: StorageRecord): StoragePlace {
  return { store, bucket: name, region, endpoint };
}

/** Where it is in truth: the clouds' own settings may name endpoint and region. */
function placeNow(asked: StoragePlace, bucket: OpenBucket): StoragePlace {
  if (bucket.type === 'local') return asked;
  const { access } = bucket;
  const region = asked.region ?? (access.service === 's3' ? access.region : undefined);
  return { ...asked, region, endpoint: endpointOf(access) };
}

function sourcesOf(source: StorageSource | undefined): readonly UploadSource[] {
  switch (source?.type) {
    case 'directory':
      return [{ root: bytesOf(source.path), name: '' }];
    case 'list':
      return source.paths.map((path) => ({ root: bytesOf(path), name: bytesOf(basename(path)) }));
    case 'bucket':
    case undefined:
      return [];
  }
}
