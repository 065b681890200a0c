/** Buckets in memory: what Google keeps of an object, and in what order it lists. */
import { createHash } from 'node:crypto';
import { crc32c } from './crc32c.ts';
import { GcsError, noSuchBucket, noSuchObject, preconditionFailed } from './gcs-error.ts';

export interface StoredObject {
  readonly name: string;
  readonly bytes: Buffer;
  readonly generation: number;
  readonly metageneration: number;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly md5Hash: string | undefined;
  readonly crc32c: string;
  readonly componentCount: number | undefined;
  readonly timeCreated: number;
  readonly updated: number;
}

/** What a writer says of an object. */
export interface NewObject {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly md5Hash?: string | undefined;
  readonly crc32c?: string | undefined;
}

export interface Conditions {
  readonly ifGenerationMatch?: number | undefined;
  readonly ifGenerationNotMatch?: number | undefined;
}

export interface Listing {
  readonly items: readonly StoredObject[];
  readonly prefixes: readonly string[];
  readonly nextPageToken: string | undefined;
}

let lastGeneration = 0;

export class MemoryBucket {
  readonly name: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly #objects = new Map<string, StoredObject>();
  #sorted: string[] | undefined;

  constructor(name: string, resource: Readonly<Record<string, unknown>>) {
    this.name = name;
    this.resource = resource;
  }

  get size(): number {
    return this.#objects.size;
  }

  find(name: string): StoredObject | undefined {
    return this.#objects.get(name);
  }

  /** For reads: 404, 412 or 304. */
  read(name: string, conditions: Conditions, generation?: number): StoredObject {
    const object = this.#objects.get(name);
    if (object === undefined || (generation !== undefined && object.generation !== generation))
      throw noSuchObject(this.name, name);
    if (conditions.ifGenerationMatch !== undefined && conditions.ifGenerationMatch !== object.generation)
      throw preconditionFailed();
    if (conditions.ifGenerationNotMatch === object.generation) throw new GcsError(304, 'notModified', 'Not Modified');
    return object;
  }

  /** For writes: 412. A generation of 0 stands for "none". */
  check(name: string, { ifGenerationMatch, ifGenerationNotMatch }: Conditions): void {
    const generation = this.#objects.get(name)?.generation ?? 0;
    if (ifGenerationMatch !== undefined && ifGenerationMatch !== generation) throw preconditionFailed();
    if (ifGenerationNotMatch === generation) throw preconditionFailed();
  }

  write(
    name: string,
    bytes: Buffer,
    said: NewObject,
    conditions: Conditions,
    composed?: { readonly componentCount: number },
  ): StoredObject {
    this.check(name, conditions);
    checkName(name);
    const md5Hash = createHash('md5').update(bytes).digest('base64');
    const crc = crc32c(bytes);
    if (said.md5Hash !== undefined && said.md5Hash !== md5Hash)
      throw new GcsError(
        400,
        'invalid',
        `Provided MD5 hash "${said.md5Hash}" doesn't match calculated MD5 hash "${md5Hash}".`,
      );
    if (said.crc32c !== undefined && said.crc32c !== crc)
      throw new GcsError(400, 'invalid', `Provided CRC32C "${said.crc32c}" doesn't match calculated CRC32C "${crc}".`);
    const now = Date.now();
    lastGeneration = Math.max(lastGeneration + 1, now * 1000);
    const object: StoredObject = {
      name,
      bytes,
      generation: lastGeneration,
      metageneration: 1,
      contentType: said.contentType,
      contentEncoding: said.contentEncoding,
      metadata: said.metadata ?? {},
      md5Hash: composed === undefined ? md5Hash : undefined,
      crc32c: crc,
      componentCount: composed?.componentCount,
      timeCreated: now,
      updated: now,
    };
    this.#put(object);
    return object;
  }

  patch(
    object: StoredObject,
    said: Omit<NewObject, 'metadata'> & { readonly metadata?: Readonly<Record<string, string | null>> | undefined },
  ): StoredObject {
    const metadata: Record<string, string> = { ...object.metadata };
    for (const [name, value] of Object.entries(said.metadata ?? {}))
      if (value === null) delete metadata[name];
      else metadata[name] = value;
    const patched = {
      ...object,
      contentType: said.contentType ?? object.contentType,
      contentEncoding: said.contentEncoding ?? object.contentEncoding,
      metadata,
      metageneration: object.metageneration + 1,
      updated: Date.now(),
    };
    this.#put(patched);
    return patched;
  }

  delete(name: string, conditions: Conditions): void {
    const object = this.read(name, {});
    if (conditions.ifGenerationMatch !== undefined && conditions.ifGenerationMatch !== object.generation)
      throw preconditionFailed();
    this.#objects.delete(name);
    this.#sorted = undefined;
  }

  /** By UTF-8 bytes, objects and prefixes counted together; the token is where the page before ended. */
  list(prefix: string, delimiter: string | undefined, pageToken: string | undefined, maxResults: number): Listing {
    const after = pageToken === undefined ? undefined : Buffer.from(pageToken, 'base64url').toString('utf8');
    const items: StoredObject[] = [];
    const prefixes: string[] = [];
    let last = '';
    for (const name of this.#sortedNames()) {
      if (!name.startsWith(prefix)) continue;
      if (after !== undefined && compare(name, after) <= 0) continue;
      const cut = delimiter === undefined ? -1 : name.indexOf(delimiter, prefix.length);
      const sum = cut < 0 ? undefined : name.slice(0, cut + (delimiter ?? '').length);
      if (sum !== undefined && (sum === after || sum === prefixes.at(-1))) continue;
      if (items.length + prefixes.length === maxResults)
        return { items, prefixes, nextPageToken: Buffer.from(last, 'utf8').toString('base64url') };
      const object = this.#objects.get(name);
      if (sum !== undefined) prefixes.push(sum);
      else if (object !== undefined) items.push(object);
      last = sum ?? name;
    }
    return { items, prefixes, nextPageToken: undefined };
  }

  #put(object: StoredObject): void {
    if (!this.#objects.has(object.name)) this.#sorted = undefined;
    this.#objects.set(object.name, object);
  }

  #sortedNames(): readonly string[] {
    this.#sorted ??= [...this.#objects.keys()].sort(compare);
    return this.#sorted;
  }
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..' || /[\r\n]/.test(name) || Buffer.byteLength(name) > 1024)
    throw new GcsError(400, 'invalid', `Invalid object name: ${JSON.stringify(name)}`);
}

export class MemoryBuckets {
  readonly #buckets = new Map<string, MemoryBucket>();
  /** Names that somebody else has. */
  readonly taken = new Set<string>();

  get(name: string): MemoryBucket {
    if (this.taken.has(name)) throw new GcsError(403, 'forbidden', `no access to the bucket ${name}`, 'AccessDenied');
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw noSuchBucket();
    return bucket;
  }

  all(): readonly MemoryBucket[] {
    return [...this.#buckets.values()];
  }

  insert(name: string, resource: Readonly<Record<string, unknown>>): MemoryBucket {
    if (this.taken.has(name))
      throw new GcsError(409, 'conflict', 'The requested bucket name is not available. Please select a different one.');
    if (this.#buckets.has(name))
      throw new GcsError(
        409,
        'conflict',
        'Your previous request to create the named bucket succeeded and you already own it.',
      );
    const bucket = new MemoryBucket(name, resource);
    this.#buckets.set(name, bucket);
    return bucket;
  }

  delete(name: string): void {
    if (this.get(name).size > 0) throw new GcsError(409, 'conflict', 'The bucket you tried to delete is not empty.');
    this.#buckets.delete(name);
  }
}
