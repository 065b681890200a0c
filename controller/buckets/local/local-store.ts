/** A bucket under the controller: plain files a user can open and edit, and what they cannot say in an index beside them. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import { localTraits } from '../../../protocol/store/link/local-traits.ts';
import type {
  DeleteFailure,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectHead,
  ObjectStat,
  ObjectStore,
  WriteOptions,
} from '../../../protocol/store/object-store.ts';
import { limits } from '../../../protocol/wire/limits.ts';
import type { Bucket } from './bucket.ts';
import { type ByteKey, byteKeyOf, bytesOf, keyOf } from './bucket-key.ts';
import { DirectoryNames } from './directory-names.ts';
import { headOfEntry, statOfEntry } from './entry-stat.ts';
import { KeyWalk } from './key-walk.ts';
import { LazyBucket, type LazyBucketOptions } from './lazy-bucket.ts';
import { listPage } from './list-page.ts';
import { LocalUpload, uploadLifeMs } from './local-upload.ts';
import { openObject, readObject } from './read-object.ts';
import { stageBytes } from './staged-file.ts';
import { storeError } from './store-error.ts';

/** Uploads of one bucket at a time: each has a file open. */
const maxUploads = 256;
const deletesAtOnce = 64;

/** Names of buckets that are being removed begin with it. */
export const deletedPrefix = '.deleted-';

/** What a bucket holds. */
export interface BucketSummary {
  readonly objects: number;
  readonly bytes: number;
  /** Objects that are no files a user can find, as their keys are no paths. */
  readonly odd: number;
  /** Symlinks, sockets and names that are no keys: in the directory, but no objects. */
  readonly others: number;
}

/** One instance a bucket, in one process: it is the bucket's only writer but for the user's own hands. */
export class LocalStore implements ObjectStore, AsyncDisposable {
  readonly traits = localTraits;
  readonly #directory: string;
  readonly #uploads = new Map<string, LocalUpload>();
  #names = new DirectoryNames();
  readonly #lazy: LazyBucket;

  constructor(options: LazyBucketOptions) {
    this.#directory = options.directory;
    this.#lazy = new LazyBucket(options);
  }

  async bucketExists(signal: AbortSignal): Promise<boolean> {
    throwIfAborted(signal);
    try {
      await this.#bucket();
      return true;
    } catch (error) {
      if (error instanceof TowError && error.code === 'bucket-missing') return false;
      throw storeError(error, 'opening a bucket');
    }
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    await this.#do('making a bucket', async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await this.#bucket();
    });
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    if (!(await this.bucketExists(signal))) return;
    const { objects } = await this.list({ prefix: '', limit: 1 }, signal);
    if (objects.length > 0) throw notEmpty();
    await this.#do('deleting a bucket', async () => {
      const doomed = await this.#withdraw();
      // What was written since was promised to somebody.
      if (doomed === undefined || !(await holdsFiles(doomed))) return await discardTree(doomed);
      await rename(doomed, this.#directory);
      throw notEmpty();
    });
  }

  /** Removes the bucket with all that is in it. What is under way fails, or did what it was to do. */
  async destroy(): Promise<void> {
    await this.#do('deleting a bucket', async () => await discardTree(await this.#withdraw()));
  }

  /** The bucket is gone at once for whoever looks, however long removing it takes. Returns where it is; undefined if it was gone. */
  async #withdraw(): Promise<string | undefined> {
    const doomed = `${dirname(this.#directory)}/${deletedPrefix}${randomBytes(8).toString('hex')}`;
    const there = await rename(this.#directory, doomed).then(
      () => true,
      (error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return false;
        throw error;
      },
    );
    this.#names = new DirectoryNames();
    await this.#abortUploads(() => true);
    // What cannot be written any more need not be.
    await this.#lazy.close().catch(() => undefined);
    return there ? doomed : undefined;
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ListPage> {
    return await this.#do('listing a bucket', async () => {
      throwIfAborted(signal);
      const bucket = await this.#bucket();
      const page = await listPage(bucket, this.#walk(bucket), options, signal);
      return { objects: page.objects.map(statOfEntry), prefixes: page.prefixes.map(keyOf), next: page.next };
    });
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    return await this.#do(key, async () => {
      throwIfAborted(signal);
      const bucket = await this.#bucket();
      const byteKey = byteKeyOf(key);
      const entry = byteKey === undefined ? undefined : await bucket.look(byteKey);
      return entry === undefined ? undefined : headOfEntry(entry);
    });
  }

  async get(key: string, options: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    return await this.#do(key, async () => {
      throwIfAborted(signal);
      const bucket = await this.#bucket();
      const byteKey = byteKeyOf(key);
      const opened = byteKey === undefined ? undefined : await openObject(bucket, byteKey);
      if (opened === undefined) throw new TowError('object-missing', `there is no object ${key}`);
      const { entry, file } = opened;
      if (options.ifVersion !== undefined && options.ifVersion !== entry.version) {
        await file.close();
        throw new TowError('object-changed', `${key} is another version by now`);
      }
      return { head: headOfEntry(entry), bytes: readObject(entry, file, options.range, signal) };
    });
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal): Promise<ObjectStat> {
    return await this.#do(key, async () => {
      throwIfAborted(signal);
      const bucket = await this.#bucket();
      if (bytes.length > this.traits.putBytes)
        throw new TowError('store-failed', `${bytes.length} bytes, at most ${this.traits.putBytes} go in one put`);
      return await this.#write(bucket, writableKey(key), [bytes], options, signal);
    });
  }

  async startUpload(key: string, options: WriteOptions, signal: AbortSignal): Promise<LocalUpload> {
    return await this.#do(key, async () => {
      throwIfAborted(signal);
      const bucket = await this.#bucket();
      checkMetadata(options);
      const now = Date.now();
      await this.#abortUploads(({ touchedAt }) => touchedAt < now - uploadLifeMs);
      if (this.#uploads.size >= maxUploads)
        throw new TowError('store-throttled', `${this.#uploads.size} uploads are under way`, { retryable: true });
      const upload = await LocalUpload.open(bucket, writableKey(key), options, ({ id }) => this.#uploads.delete(id));
      this.#uploads.set(upload.id, upload);
      return upload;
    });
  }

  /** One that is under way. Throws `store-failed` if there is none: it was given up, or the controller was started anew. */
  upload(id: string): LocalUpload {
    const upload = this.#uploads.get(id);
    if (upload === undefined) throw new TowError('store-failed', `there is no upload ${id} any more`);
    return upload;
  }

  async copy(
    from: string,
    to: string,
    options: { readonly ifVersion?: string; readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'> },
    signal: AbortSignal,
  ): Promise<ObjectStat> {
    return await this.#do(`${from} to ${to}`, async () => {
      throwIfAborted(signal);
      const bucket = await this.#bucket();
      const [source, target] = [byteKeyOf(from), writableKey(to)];
      const { ifVersion, replace } = options;
      if (replace !== undefined) checkMetadata(replace);
      const made = replace && { contentType: replace.contentType, metadata: replace.metadata ?? {} };
      if (source === target) {
        const condition = ifVersion === undefined ? undefined : ({ type: 'version', version: ifVersion } as const);
        const entry = await bucket.describe(target, made, condition, signal);
        if (entry !== undefined) return statOfEntry(entry);
      }
      const opened = source === undefined ? undefined : await openObject(bucket, source);
      if (opened === undefined) throw new TowError('object-missing', `there is no object ${from}`);
      const { entry, file } = opened;
      if (ifVersion !== undefined && ifVersion !== entry.version) {
        await file.close();
        throw new TowError('object-changed', `${from} is another version by now`);
      }
      const { contentType, metadata } = made ?? entry;
      const written: WriteOptions = { metadata, ...(contentType === undefined ? {} : { contentType }) };
      return await this.#write(bucket, target, readObject(entry, file, undefined, signal), written, signal);
    });
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    await this.#do(key, async () => {
      throwIfAborted(signal);
      const bucket = await this.#bucket();
      const byteKey = byteKeyOf(key);
      if (byteKey !== undefined) await bucket.remove(byteKey, signal);
    });
  }

  async deleteMany(keys: readonly string[], signal: AbortSignal): Promise<readonly DeleteFailure[]> {
    throwIfAborted(signal);
    await this.#do('deleting', async () => await this.#bucket());
    const failures: DeleteFailure[] = [];
    const left = keys.values();
    const worker = async (): Promise<void> => {
      for (const key of left) {
        await this.delete(key, signal).catch((error: unknown) =>
          failures.push({ key, message: storeError(error, 'deleting').message }),
        );
      }
    };
    await Promise.all(Array.from({ length: deletesAtOnce }, worker));
    throwIfAborted(signal);
    return failures;
  }

  /**
   * Keys of objects that no directory can hold, but for those that are directories: at most `limit` of them, ascending. Looks
   * at those alone.
   */
  async oddKeys(limit: number, signal: AbortSignal): Promise<string[]> {
    return await this.#do('listing keys', async () => {
      const bucket = await this.#bucket();
      const keys: string[] = [];
      // The keys behind one begin with it and a byte more, at the least.
      for (let key = bucket.index.odd.from(''); key !== undefined; key = bucket.index.odd.from(`${key}\0`)) {
        throwIfAborted(signal);
        const entry = await bucket.look(key);
        const isDirectory = key.endsWith('/') && entry?.size === 0;
        if (entry?.place === 'odd' && !isDirectory) keys.push(keyOf(key));
        if (keys.length === limit) break;
      }
      return keys;
    });
  }

  /** Looks at every file. */
  async summary(signal: AbortSignal): Promise<BucketSummary> {
    return await this.#do('counting a bucket', async () => {
      const bucket = await this.#bucket();
      const walk = this.#walk(bucket);
      let [objects, bytes, odd] = [0, 0, 0];
      let cursor: string | undefined;
      do {
        const page = await listPage(bucket, walk, { prefix: '', ...(cursor === undefined ? {} : { cursor }) }, signal);
        for (const { size, place } of page.objects) {
          objects += 1;
          bytes += size;
          if (place === 'odd') odd += 1;
        }
        cursor = page.next;
      } while (cursor !== undefined);
      return { objects, bytes, odd, others: walk.others };
    });
  }

  /** What was promised is on the disk; no call works any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#abortUploads(() => true);
    await this.#lazy.end();
  }

  async #write(
    bucket: Bucket,
    key: ByteKey,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectStat> {
    checkMetadata(options);
    const metadata = options.metadata ?? {};
    const staged = await stageBytes(bucket.files, chunks, metadata, signal);
    const made = { contentType: options.contentType, metadata };
    return statOfEntry(await bucket.write(key, staged, made, options.condition, signal));
  }

  #walk(bucket: Bucket): KeyWalk {
    return new KeyWalk(this.#names, bytesOf(bucket.files.files), bucket.index.odd);
  }

  async #bucket(): Promise<Bucket> {
    return await this.#lazy.get();
  }

  async #abortUploads(which: (upload: LocalUpload) => boolean): Promise<void> {
    await Promise.all([...this.#uploads.values()].filter(which).map((upload) => upload.abort()));
  }

  async #do<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeError(error, doing);
    }
  }
}

async function holdsFiles(directory: string): Promise<boolean> {
  for (const name of ['files', 'odd']) {
    const entries = await readdir(`${directory}/${name}`, { recursive: true, withFileTypes: true });
    if (entries.some((entry) => entry.isFile())) return true;
  }
  return false;
}

async function discardTree(path: string | undefined): Promise<void> {
  if (path !== undefined) await rm(path, { recursive: true, force: true });
}

function notEmpty(): TowError {
  return new TowError('store-failed', 'the bucket is not empty');
}

function writableKey(key: string): ByteKey {
  const byteKey = byteKeyOf(key);
  if (byteKey !== undefined) return byteKey;
  throw new TowError(
    'store-failed',
    `a key has 1 to ${limits.keyBytes} bytes of UTF-8, this one has ${bytesOf(key).length}`,
  );
}

function checkMetadata({ metadata = {}, contentType = '' }: Pick<WriteOptions, 'metadata' | 'contentType'>): void {
  const bytes = Object.entries(metadata).reduce((sum, pair) => sum + bytesOf(pair.join('')).length, 0);
  if (bytes > limits.metadataBytes || bytesOf(contentType).length > limits.keyBytes)
    throw new TowError('store-failed', `${bytes} bytes of metadata, at most ${limits.metadataBytes} are kept`);
}
