/** A bucket that lies under the controller, as a node has it: over the link. */
import { TowError } from '../../base/errors.ts';
import { limits } from '../../wire/limits.ts';
import type { StoreHead } from '../../wire/store.ts';
import type {
  DeleteFailure,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectHead,
  ObjectStore,
  Upload,
  WriteOptions,
  Written,
} from '../object-store.ts';
import { LinkUpload } from './link-upload.ts';
import { localTraits } from './local-traits.ts';
import { isObjectKey } from './object-key.ts';
import { receiveBody } from './receive-body.ts';
import { StoreCalls, type StoreCallsOptions } from './store-calls.ts';

/** Bytes of one object that may be on their way or wait to be read. */
const windowBytes = 4 << 20;
const keysAtOnce = 1000;

/**
 * Works only as long as the controller has the bucket opened for this node: else every call rejects with
 * `store-forbidden`. Buckets are made and deleted by the controller alone. Without a link calls reject with
 * `store-unreachable` at once, and an upload outlives the link it was begun on, but not the controller.
 */
export class LinkStore implements ObjectStore {
  readonly traits = localTraits;
  readonly #bucket: string;
  readonly #calls: StoreCalls;

  constructor(options: StoreCallsOptions & { readonly bucket: string }) {
    this.#bucket = options.bucket;
    this.#calls = new StoreCalls(options);
  }

  async bucketExists(signal: AbortSignal): Promise<boolean> {
    try {
      await this.list({ prefix: '', limit: 1 }, signal);
      return true;
    } catch (error) {
      if (error instanceof TowError && error.code === 'bucket-missing') return false;
      throw error;
    }
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    if (!(await this.bucketExists(signal))) throw notOurs(this.#bucket, 'made');
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    if (await this.bucketExists(signal)) throw notOurs(this.#bucket, 'deleted');
  }

  async list({ prefix, delimiter, cursor, limit }: ListOptions, signal: AbortSignal): Promise<ListPage> {
    if (Buffer.byteLength(prefix) > limits.keyBytes) return { objects: [], prefixes: [], next: undefined };
    const params = {
      bucket: this.#bucket,
      prefix,
      delimited: delimiter !== undefined,
      cursor,
      limit: Math.max(1, Math.min(limit ?? keysAtOnce, keysAtOnce)),
    };
    const { objects, prefixes, next } = await this.#calls.call('store.list', params, signal);
    return { objects, prefixes, next };
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    if (!isObjectKey(key)) return undefined;
    const { head } = await this.#calls.call('store.head', { bucket: this.#bucket, key }, signal);
    return head === undefined ? undefined : headOf(head);
  }

  async get(key: string, { range, ifVersion }: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    if (!isObjectKey(key)) throw new TowError('object-missing', `there is no object ${key}`);
    const params = { bucket: this.#bucket, key, start: range?.start ?? 0, end: range?.end, ifVersion };
    return await receiveBody(
      key,
      range,
      ({ onHead, onData }, during) =>
        this.#calls.call('store.get', params, during, {
          onEvent: (event) => onHead(headOf(event)),
          onData,
          windowBytes,
        }),
      signal,
    );
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal): Promise<Written> {
    if (bytes.length <= limits.callPayloadBytes)
      return await this.#calls.send('store.put', this.#written(key, options), bytes, signal);
    if (bytes.length > this.traits.putBytes)
      throw new TowError('store-failed', `${bytes.length} bytes, at most ${this.traits.putBytes} go in one put`);
    const upload = await this.startUpload(key, options, signal);
    try {
      await upload.part(1, bytes, signal);
      return await upload.complete(signal);
    } catch (error) {
      await upload.abort();
      throw error;
    }
  }

  async startUpload(key: string, options: WriteOptions, signal: AbortSignal): Promise<Upload> {
    const { upload } = await this.#calls.call('store.startUpload', this.#written(key, options), signal);
    return new LinkUpload(this.#calls, this.#bucket, upload);
  }

  async copy(
    from: string,
    to: string,
    {
      ifVersion,
      replace,
    }: { readonly ifVersion?: string; readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'> },
    signal: AbortSignal,
  ): Promise<Written> {
    if (!isObjectKey(from)) throw new TowError('object-missing', `there is no object ${from}`);
    const described = replace && { contentType: replace.contentType, metadata: pairsOf(replace.metadata) };
    const params = { bucket: this.#bucket, from, to: writable(to), ifVersion, replace: described };
    return await this.#calls.call('store.copy', params, signal);
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    const [failure] = await this.deleteMany([key], signal);
    if (failure !== undefined) throw new TowError('store-failed', failure.message);
  }

  async deleteMany(keys: readonly string[], signal: AbortSignal): Promise<readonly DeleteFailure[]> {
    const failures: DeleteFailure[] = [];
    for (const some of inMessages(keys.filter(isObjectKey)))
      failures.push(...(await this.#calls.call('store.delete', { bucket: this.#bucket, keys: some }, signal)).failures);
    return failures;
  }

  #written(key: string, { contentType, metadata, condition }: WriteOptions) {
    return { bucket: this.#bucket, key: writable(key), contentType, metadata: pairsOf(metadata), condition };
  }
}

function headOf({ contentType, metadata, md5, ...stat }: StoreHead): ObjectHead {
  return { ...stat, contentType, metadata: Object.fromEntries(metadata), md5 };
}

function pairsOf(metadata: Readonly<Record<string, string>> = {}): [string, string][] {
  return Object.entries(metadata);
}

function writable(key: string): string {
  if (isObjectKey(key)) return key;
  throw new TowError('store-failed', `a key has 1 to ${limits.keyBytes} bytes, this one has ${Buffer.byteLength(key)}`);
}

function notOurs(bucket: string, what: string): TowError {
  return new TowError('store-forbidden', `the bucket ${bucket} is ${what} by the controller alone`);
}

/** Keys as they go in one message each. */
function* inMessages(keys: readonly string[]): Generator<string[]> {
  let [some, bytes]: [string[], number] = [[], 0];
  for (const key of keys) {
    const length = Buffer.byteLength(key);
    if (some.length >= keysAtOnce || bytes + length > limits.pageKeyBytes) {
      yield some;
      [some, bytes] = [[], 0];
    }
    some.push(key);
    bytes += length;
  }
  if (some.length > 0) yield some;
}
