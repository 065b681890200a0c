/** A bucket in memory, as `ObjectStore` says one is, whose calls can be made to fail, and that counts them. */
import { createHash } from 'node:crypto';
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
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
import type { StoreTraits } from '../../protocol/store/store-traits.ts';

interface Held {
  readonly bytes: Buffer;
  readonly version: string;
  readonly modifiedMs: number;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly md5: string | undefined;
}

export interface SetOptions {
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** As an object that came in parts: its version is no MD5. */
  readonly parts?: boolean;
  readonly modifiedMs?: number;
}

/** What was asked, for counting and for faults. */
export interface Call {
  readonly method: 'list' | 'head' | 'get' | 'put';
  /** Or the prefix. */
  readonly key: string;
  readonly start: number | undefined;
}

const traits: StoreTraits = {
  putBytes: 1 << 30,
  minPartBytes: 1,
  maxPartBytes: 1 << 30,
  maxParts: 10_000,
  partMultiple: 1,
  equalParts: false,
  partCopy: true,
  conditions: ['absent', 'version'],
  copyBytes: 1 << 30,
  versionIsMd5: true,
};

export class FaultyStore implements ObjectStore {
  readonly traits: StoreTraits;
  readonly calls: Call[] = [];
  /** Runs before each call is answered; what it throws is the answer. */
  before: (call: Call) => void = () => undefined;
  /** Bytes of a body after which it breaks off; undefined: it does not. */
  breakAt: (call: Call) => number | undefined = () => undefined;
  /** Answers a listing instead of the bucket. */
  listing: ((options: ListOptions) => ListPage | undefined) | undefined;
  pageSize = 1000;
  readonly #objects = new Map<string, Held>();
  #writes = 0;

  constructor(versionIsMd5 = true) {
    this.traits = { ...traits, versionIsMd5 };
  }

  set(key: string, content: Buffer | string, options: SetOptions = {}): ObjectStat {
    const bytes = Buffer.from(content);
    const md5 = createHash('md5').update(bytes).digest('hex');
    this.#writes += 1;
    const version = options.parts === true ? `${md5}-2` : this.traits.versionIsMd5 ? md5 : `${this.#writes}`;
    this.#objects.set(key, {
      bytes,
      version,
      modifiedMs: options.modifiedMs ?? 1_700_000_000_000 + this.#writes * 1000,
      contentType: options.contentType,
      metadata: options.metadata ?? {},
      md5: options.parts === true ? undefined : md5,
    });
    return this.#headOf(key);
  }

  remove(key: string): void {
    this.#objects.delete(key);
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  bytesOf(key: string): Buffer {
    return this.#of(key).bytes;
  }

  count(method: Call['method']): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  async bucketExists(): Promise<boolean> {
    return true;
  }

  async createBucket(): Promise<void> {
    return undefined;
  }

  async deleteBucket(): Promise<void> {
    return undefined;
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ListPage> {
    await this.#begin({ method: 'list', key: options.prefix, start: undefined }, signal);
    const instead = this.listing?.(options);
    if (instead !== undefined) return instead;
    const { prefix, cursor, limit = 1000 } = options;
    const keys = [...this.#objects.keys()]
      .filter((key) => key.startsWith(prefix) && (cursor === undefined || compare(key, cursor) > 0))
      .sort(compare);
    const page = keys.slice(0, Math.min(limit, this.pageSize));
    return {
      objects: page.map((key) => this.#statOf(key)),
      prefixes: [],
      next: page.length < keys.length ? page.at(-1) : undefined,
    };
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    await this.#begin({ method: 'head', key, start: undefined }, signal);
    return this.#objects.has(key) ? this.#headOf(key) : undefined;
  }

  async get(key: string, { range, ifVersion }: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    const call: Call = { method: 'get', key, start: range?.start };
    await this.#begin(call, signal);
    const held = this.#of(key);
    if (ifVersion !== undefined && ifVersion !== held.version)
      throw new TowError('object-changed', `${key}: the object was replaced meanwhile`);
    const bytes = held.bytes.subarray(range?.start ?? 0, range?.end ?? held.bytes.length);
    return { head: this.#headOf(key), bytes: body(bytes, this.breakAt(call), signal) };
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal): Promise<ObjectStat> {
    await this.#begin({ method: 'put', key, start: undefined }, signal);
    const there = this.#objects.get(key);
    const { condition, contentType, metadata } = options;
    if (
      (condition?.type === 'absent' && there !== undefined) ||
      (condition?.type === 'version' && there?.version !== condition.version)
    )
      throw new TowError('object-changed', `${key}: the object was replaced meanwhile`);
    return this.set(key, Buffer.from(bytes), {
      ...(contentType === undefined ? {} : { contentType }),
      ...(metadata === undefined ? {} : { metadata }),
    });
  }

  startUpload(): Promise<Upload> {
    return Promise.reject(new TowError('not-supported', 'no uploads in memory'));
  }

  copy(): Promise<ObjectStat> {
    return Promise.reject(new TowError('not-supported', 'no copies in memory'));
  }

  async delete(key: string): Promise<void> {
    this.remove(key);
  }

  async deleteMany(keys: readonly string[]): Promise<readonly never[]> {
    for (const key of keys) this.remove(key);
    return [];
  }

  async #begin(call: Call, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.calls.push(call);
    // As any service: never in the same turn.
    await Promise.resolve();
    this.before(call);
  }

  #of(key: string): Held {
    const held = this.#objects.get(key);
    if (held === undefined) throw new TowError('object-missing', `${key}: there is no such object`);
    return held;
  }

  #statOf(key: string): ObjectStat {
    const { bytes, version, modifiedMs } = this.#of(key);
    return { key, size: bytes.length, version, modifiedMs };
  }

  #headOf(key: string): ObjectHead {
    const { contentType, metadata, md5 } = this.#of(key);
    return { ...this.#statOf(key), contentType, metadata, md5 };
  }
}

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
