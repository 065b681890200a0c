import { createHash, randomUUID } from 'node:crypto';
import { TowError } from '../../protocol/base/errors.ts';
import type {
  DeleteFailure,
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

export interface MemoryObject extends ObjectHead {
  readonly bytes: Buffer;
}

const mib = 1 << 20;

/** A bucket in memory, in the plainest way. `fail` is asked before each call; `writes` counts what was asked of it. */
export class MemoryStore implements ObjectStore {
  readonly traits: StoreTraits;
  readonly objects = new Map<string, MemoryObject>();
  exists = true;
  /** Uploads in parts that are neither complete nor aborted. */
  openUploads = 0;
  /** `put KEY`, `part KEY NUMBER`, `copy KEY`, `delete KEY`, `head KEY`, in order. */
  readonly calls: string[] = [];
  fail: (call: string) => Promise<void> | void = () => undefined;

  constructor(traits: Partial<StoreTraits> = {}) {
    this.traits = {
      putBytes: 5 * mib * 1024,
      minPartBytes: 5 * mib,
      maxPartBytes: 5 * mib * 1024,
      maxParts: 10_000,
      partMultiple: 1,
      equalParts: true,
      partCopy: false,
      conditions: ['absent', 'version'],
      copyBytes: 5 * mib * 1024,
      versionIsMd5: true,
      ...traits,
    };
  }

  /** As somebody else would. */
  write(key: string, text: string | Buffer, options: WriteOptions = {}): MemoryObject {
    const bytes = Buffer.from(text);
    const md5 = createHash('md5').update(bytes).digest('hex');
    const object = {
      key,
      bytes,
      size: bytes.length,
      version: this.traits.versionIsMd5 ? md5 : randomUUID(),
      modifiedMs: Date.now(),
      contentType: options.contentType,
      metadata: options.metadata ?? {},
      md5,
    };
    this.objects.set(key, object);
    return object;
  }

  text(key: string): string | undefined {
    return this.objects.get(key)?.bytes.toString();
  }

  async bucketExists(): Promise<boolean> {
    return this.exists;
  }

  async createBucket(): Promise<void> {
    await this.#called('createBucket');
    this.exists = true;
  }

  async deleteBucket(): Promise<void> {
    if (this.objects.size > 0) throw new TowError('store-failed', 'the bucket is not empty');
    this.exists = false;
  }

  /** Pages of two, so that all that lists has more than one. */
  async list({ prefix, cursor = '' }: ListOptions): Promise<ListPage> {
    this.#mustExist();
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > cursor).sort();
    const page = keys.slice(0, 2);
    const objects = page.map((key) => this.#get(key));
    return { objects, prefixes: [], next: keys.length > page.length ? page.at(-1) : undefined };
  }

  async head(key: string): Promise<ObjectHead | undefined> {
    await this.#called(`head ${key}`);
    return this.objects.get(key);
  }

  async get(key: string, _options: GetOptions): Promise<ObjectBody> {
    const object = this.#get(key);
    return {
      head: object,
      bytes: (async function* () {
        yield object.bytes;
      })(),
    };
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions): Promise<ObjectStat> {
    await this.#called(`put ${key}`);
    this.#check(key, options);
    return this.write(key, Buffer.from(bytes), options);
  }

  async startUpload(key: string, options: WriteOptions): Promise<Upload> {
    await this.#called(`upload ${key}`);
    const parts: Buffer[] = [];
    this.openUploads += 1;
    let open = true;
    const end = (): void => {
      if (open) this.openUploads -= 1;
      open = false;
    };
    return {
      part: async (number, bytes) => {
        await this.#called(`part ${key} ${number}`);
        parts[number - 1] = Buffer.from(bytes);
      },
      copyPart: async () => {
        throw new TowError('internal', 'no parts are copied');
      },
      complete: async () => {
        await this.#called(`complete ${key}`);
        this.#check(key, options);
        const sizes = new Set(parts.slice(0, -1).map(({ length }) => length));
        if (sizes.size > 1) throw new TowError('store-failed', 'parts of different sizes');
        end();
        const object = this.write(key, Buffer.concat(parts), options);
        const whole = { ...object, version: `${object.version}-${parts.length}`, md5: undefined };
        this.objects.set(key, whole);
        return whole;
      },
      abort: async () => end(),
    };
  }

  async copy(
    from: string,
    to: string,
    { ifVersion, replace }: { readonly ifVersion?: string; readonly replace?: WriteOptions },
  ): Promise<ObjectStat> {
    await this.#called(`copy ${from}`);
    const object = this.#get(from);
    if (ifVersion !== undefined && object.version !== ifVersion) throw new TowError('object-changed', from);
    const { contentType, metadata } = replace ?? object;
    return this.write(to, object.bytes, {
      ...(contentType === undefined ? {} : { contentType }),
      ...(metadata === undefined ? {} : { metadata }),
    });
  }

  async delete(key: string): Promise<void> {
    await this.#called(`delete ${key}`);
    this.objects.delete(key);
  }

  async deleteMany(keys: readonly string[]): Promise<readonly DeleteFailure[]> {
    for (const key of keys) await this.delete(key);
    return [];
  }

  async #called(call: string): Promise<void> {
    if (call !== 'createBucket') this.#mustExist();
    this.calls.push(call);
    await this.fail(call);
  }

  #mustExist(): void {
    if (!this.exists) throw new TowError('bucket-missing', 'there is no such bucket');
  }

  #get(key: string): MemoryObject {
    const object = this.objects.get(key);
    if (object === undefined) throw new TowError('object-missing', key);
    return object;
  }

  #check(key: string, { condition }: WriteOptions): void {
    const version = this.objects.get(key)?.version;
    const holds = condition?.type === 'absent' ? version === undefined : condition?.version === version;
    if (condition !== undefined && !holds) throw new TowError('object-changed', `${key}: the object was replaced`);
  }
}
