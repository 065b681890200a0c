/** A bucket in memory, consistent at once as S3 is, with a clock of its own. What the code under test asks can be held up or made to fail. */
import { createHash } from 'node:crypto';
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type {
  ListOptions,
  ListPage,
  ObjectHead,
  ObjectStat,
  ObjectStore,
  WriteOptions,
} from '../../protocol/store/object-store.ts';
import { s3Providers } from '../../protocol/store/s3/providers.ts';

export type StoreCall = 'list' | 'head' | 'get' | 'put' | 'delete';

interface Stored {
  readonly bytes: Buffer;
  readonly modifiedMs: number;
}

export class ScriptedStore implements ObjectStore {
  readonly traits = s3Providers.other.traits;
  readonly objects = new Map<string, Stored>();
  /** What was asked, as `call key`. */
  readonly calls: string[] = [];
  now = 1_800_000_000_000;
  /** Called before each request is done: a throw is its failure, a promise holds it up. */
  before: (call: StoreCall, key: string) => Promise<void> | void = () => undefined;
  /** Objects on a page. */
  pageSize = 1000;

  async list({ prefix, cursor }: ListOptions, signal: AbortSignal): Promise<ListPage> {
    await this.#ask('list', prefix, signal);
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > (cursor ?? '')).sort();
    const page = keys.slice(0, this.pageSize);
    return {
      objects: page.map((key) => this.#stat(key)).filter((stat) => stat !== undefined),
      prefixes: [],
      next: keys.length > page.length ? page.at(-1) : undefined,
    };
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    await this.#ask('head', key, signal);
    return this.#head(key);
  }

  async get(
    key: string,
    { range }: { readonly range?: { readonly start: number; readonly end: number } },
    signal: AbortSignal,
  ) {
    await this.#ask('get', key, signal);
    const head = this.#head(key);
    const bytes = this.objects.get(key)?.bytes.subarray(range?.start, range?.end);
    if (head === undefined || bytes === undefined)
      throw new TowError('object-missing', `${key}: there is no such object`);
    return { head, bytes: pieces(bytes) };
  }

  async put(key: string, bytes: Uint8Array, _: WriteOptions, signal: AbortSignal): Promise<ObjectStat> {
    const copy = Buffer.from(bytes);
    await this.#ask('put', key, signal);
    this.objects.set(key, { bytes: copy, modifiedMs: this.now });
    return { key, size: copy.length, version: '', modifiedMs: this.now };
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    await this.#ask('delete', key, signal);
    this.objects.delete(key);
  }

  async deleteMany(keys: readonly string[], signal: AbortSignal) {
    for (const key of keys) await this.delete(key, signal);
    return [];
  }

  async bucketExists(): Promise<boolean> {
    return true;
  }

  async createBucket(): Promise<void> {
    throw unused();
  }

  async deleteBucket(): Promise<void> {
    throw unused();
  }

  async startUpload(): Promise<never> {
    throw unused();
  }

  async copy(): Promise<never> {
    throw unused();
  }

  /** Bytes of all objects below a prefix. */
  sizeOf(prefix: string): number {
    return [...this.objects].reduce((sum, [key, { bytes }]) => (key.startsWith(prefix) ? sum + bytes.length : sum), 0);
  }

  keys(part: string): string[] {
    return [...this.objects.keys()].filter((key) => key.includes(part)).sort();
  }

  /** Changes an object's bytes behind everybody's back. */
  damage(key: string, change: (bytes: Buffer) => Buffer): void {
    const stored = this.objects.get(key);
    if (stored === undefined) throw new Error(`there is no ${key}`);
    this.objects.set(key, { ...stored, bytes: change(Buffer.from(stored.bytes)) });
  }

  async #ask(call: StoreCall, key: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.calls.push(`${call} ${key}`);
    await this.before(call, key);
  }

  #stat(key: string): ObjectStat | undefined {
    const stored = this.objects.get(key);
    if (stored === undefined) return undefined;
    const version = createHash('md5').update(stored.bytes).digest('hex');
    return { key, size: stored.bytes.length, version, modifiedMs: stored.modifiedMs };
  }

  #head(key: string): ObjectHead | undefined {
    const stat = this.#stat(key);
    return stat === undefined ? undefined : { ...stat, contentType: undefined, metadata: {}, md5: stat.version };
  }
}

/** Nobody relies on a body that comes at once. */
async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

function unused(): Error {
  return new Error('not asked of this store');
}
