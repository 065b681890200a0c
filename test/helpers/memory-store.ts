/**
 * A bucket in memory, as `ObjectStore` says one is, consistent at once as S3 is, with a clock of its own. What is asked of
 * it is noted, and can be held up, made to fail, broken off or answered with something else.
 */
import { createHash } from 'node:crypto';
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type { Checksum } from '../../protocol/store/checksum.ts';
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectHead,
  ObjectStat,
  ObjectStore,
  Upload,
  WriteOptions,
} from '../../protocol/store/object-store.ts';
import { s3Providers } from '../../protocol/store/s3/providers.ts';
import type { StoreTraits } from '../../protocol/store/store-traits.ts';

export interface MemoryObject extends ObjectHead {
  readonly bytes: Buffer;
}

/** What was asked, for counting and for faults. `upload`, `part` and `complete` are those of one upload. */
export interface Call {
  readonly method: 'create' | 'list' | 'head' | 'get' | 'put' | 'upload' | 'part' | 'complete' | 'copy' | 'delete';
  /** Or the prefix. */
  readonly key: string;
  /** Of a range. */
  readonly start: number | undefined;
  /** `put KEY`, `part KEY NUMBER`. */
  readonly text: string;
}

type Written = Pick<WriteOptions, 'contentType' | 'metadata'> & {
  /** As an object that came in so many parts: its version is no MD5. */
  readonly parts?: boolean | number;
  /** Told where there is no MD5. */
  readonly checksum?: Checksum;
};

export class MemoryStore implements ObjectStore {
  readonly traits: StoreTraits;
  readonly objects = new Map<string, MemoryObject>();
  readonly calls: Call[] = [];
  exists = true;
  /** Uploads in parts that are neither complete nor aborted. */
  openUploads = 0;
  now = 1_800_000_000_000;
  /** Objects on a page. */
  pageSize = 1000;
  /** Whether a range's answer tells the object's sum: Google's does, Amazon's does not. */
  sumsWithRanges = true;
  /** Runs before each call is answered: what it throws is the answer, a promise holds it up. */
  before: (call: Call) => Promise<void> | void = () => undefined;
  /** Bytes of a body after which it breaks off; undefined: it does not. */
  breakAt: (call: Call) => number | undefined = () => undefined;
  /** Answers a listing instead of the bucket. */
  listing: ((options: ListOptions) => ListPage | undefined) | undefined;
  #writes = 0;

  constructor(traits: Partial<StoreTraits> = {}) {
    this.traits = {
      ...s3Providers.other.traits,
      equalParts: true,
      partCopy: false,
      conditions: ['absent', 'version'],
      ...traits,
    };
  }

  /** As somebody else would. */
  set(key: string, content: string | Uint8Array, options: Written = {}): MemoryObject {
    const bytes = Buffer.from(content);
    const md5 = createHash('md5').update(bytes).digest('hex');
    this.#writes += 1;
    const parts = options.parts === true ? 2 : options.parts || undefined;
    const object: MemoryObject = {
      key,
      bytes,
      size: bytes.length,
      version: parts === undefined ? (this.traits.versionIsMd5 ? md5 : `${this.#writes}`) : `${md5}-${parts}`,
      modifiedMs: this.now,
      contentType: options.contentType,
      metadata: options.metadata ?? {},
      md5: parts === undefined ? md5 : undefined,
      checksum: parts === undefined ? undefined : options.checksum,
    };
    this.objects.set(key, object);
    return object;
  }

  remove(key: string): void {
    this.objects.delete(key);
  }

  /** Changes an object's bytes behind everybody's back. */
  damage(key: string, change: (bytes: Buffer) => Buffer): void {
    const { bytes, modifiedMs } = this.#get(key);
    this.objects.set(key, { ...this.set(key, change(Buffer.from(bytes))), modifiedMs });
  }

  text(key: string): string | undefined {
    return this.objects.get(key)?.bytes.toString();
  }

  bytesOf(key: string): Buffer {
    return this.#get(key).bytes;
  }

  /** Those that have this in them. */
  keys(part = ''): string[] {
    return [...this.objects.keys()].filter((key) => key.includes(part)).sort();
  }

  count(method: Call['method']): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  async bucketExists(): Promise<boolean> {
    return this.exists;
  }

  async createBucket(): Promise<void> {
    await this.#asked('create', '');
    this.exists = true;
  }

  async deleteBucket(): Promise<void> {
    if (this.objects.size > 0) throw new TowError('store-failed', 'the bucket is not empty');
    this.exists = false;
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ListPage> {
    const { prefix, cursor, limit = this.pageSize } = options;
    await this.#asked('list', prefix, { signal });
    const instead = this.listing?.(options);
    if (instead !== undefined) return instead;
    const after = (key: string): boolean => cursor === undefined || compare(key, cursor) > 0;
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && after(key)).sort(compare);
    const page = keys.slice(0, Math.min(limit, this.pageSize));
    const objects = page.map((key) => this.#get(key));
    return { objects, prefixes: [], next: keys.length > page.length ? page.at(-1) : undefined };
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    await this.#asked('head', key, { signal });
    return this.objects.get(key);
  }

  async get(key: string, { range, ifVersion }: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    const call = await this.#asked('get', key, { signal, start: range?.start });
    const head = this.#get(key);
    if (ifVersion !== undefined && ifVersion !== head.version) throw changed(key);
    const told = range === undefined || this.sumsWithRanges ? head : { ...head, checksum: undefined };
    return { head: told, bytes: body(head.bytes.subarray(range?.start, range?.end), this.breakAt(call), signal) };
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal): Promise<ObjectStat> {
    const copy = Buffer.from(bytes);
    await this.#asked('put', key, { signal });
    this.#check(key, options);
    return this.set(key, copy, options);
  }

  async startUpload(key: string, options: WriteOptions): Promise<Upload> {
    await this.#asked('upload', key);
    const parts: Buffer[] = [];
    this.openUploads += 1;
    let open = true;
    const end = (): void => {
      if (open) this.openUploads -= 1;
      open = false;
    };
    return {
      part: async (number, bytes) => {
        await this.#asked('part', key, { number });
        parts[number - 1] = Buffer.from(bytes);
      },
      copyPart: async () => {
        throw new TowError('internal', 'no parts are copied');
      },
      complete: async () => {
        await this.#asked('complete', key);
        this.#check(key, options);
        const sizes = new Set(parts.slice(0, -1).map(({ length }) => length));
        if (sizes.size > 1) throw new TowError('store-failed', 'parts of different sizes');
        end();
        return this.set(key, Buffer.concat(parts), { ...options, parts: parts.length });
      },
      abort: async () => end(),
    };
  }

  async copy(
    from: string,
    to: string,
    { ifVersion, replace }: { readonly ifVersion?: string; readonly replace?: WriteOptions },
  ): Promise<ObjectStat> {
    await this.#asked('copy', from);
    const object = this.#get(from);
    if (ifVersion !== undefined && object.version !== ifVersion) throw changed(from);
    const { contentType, metadata } = replace ?? object;
    return this.set(to, object.bytes, {
      metadata: metadata ?? {},
      ...(contentType === undefined ? {} : { contentType }),
    });
  }

  async delete(key: string): Promise<void> {
    await this.#asked('delete', key);
    this.objects.delete(key);
  }

  async deleteMany(keys: readonly string[]): Promise<readonly never[]> {
    for (const key of keys) await this.delete(key);
    return [];
  }

  async #asked(
    method: Call['method'],
    key: string,
    { signal, start, number }: { signal?: AbortSignal; start?: number | undefined; number?: number } = {},
  ): Promise<Call> {
    if (signal !== undefined) throwIfAborted(signal);
    if (!this.exists && method !== 'create') throw new TowError('bucket-missing', 'there is no such bucket');
    const call = { method, key, start, text: `${method} ${key}${number === undefined ? '' : ` ${number}`}` };
    this.calls.push(call);
    // As any service: never in the same turn.
    await Promise.resolve();
    await this.before(call);
    return call;
  }

  #get(key: string): MemoryObject {
    const object = this.objects.get(key);
    if (object === undefined) throw new TowError('object-missing', `${key}: there is no such object`);
    return object;
  }

  #check(key: string, { condition }: WriteOptions): void {
    const version = this.objects.get(key)?.version;
    const holds = condition?.type === 'absent' ? version === undefined : condition?.version === version;
    if (condition !== undefined && !holds) throw changed(key);
  }
}

function changed(key: string): TowError {
  return new TowError('object-changed', `${key}: the object was replaced meanwhile`);
}

/** Nobody relies on a body that comes at once. */
async function* body(bytes: Buffer, breakAt: number | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const end = Math.min(breakAt ?? bytes.length, bytes.length);
  for (let at = 0; at < end; at += 65_536) {
    await Promise.resolve();
    throwIfAborted(signal);
    yield bytes.subarray(at, Math.min(at + 65_536, end));
  }
  if (breakAt !== undefined && breakAt <= bytes.length)
    throw new TowError('store-unreachable', `the connection broke after ${end} of ${bytes.length} bytes`, {
      retryable: true,
    });
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
