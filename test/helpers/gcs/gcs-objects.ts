/** What the JSON API does with objects that are there, and downloads of both APIs. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { GcsError, invalid } from './gcs-error.ts';
import type { Conditions, MemoryBucket, MemoryBuckets, StoredObject } from './gcs-memory.ts';
import { newObject } from './gcs-uploads.ts';
import { composeRequest, conditionsOf, objectResource, parsed, saidOf } from './gcs-wire.ts';

const sourcesAtMost = 32;

interface Rewrite {
  readonly of: string;
  done: number;
}

export class GcsObjects {
  readonly #buckets: MemoryBuckets;
  readonly #rewriteBytes: number;
  readonly #rewrites = new Map<string, Rewrite>();
  /** How many calls there were that a rewrite was not done after. */
  rewritesContinued = 0;

  constructor(buckets: MemoryBuckets, rewriteBytes: number) {
    this.#buckets = buckets;
    this.#rewriteBytes = rewriteBytes;
  }

  compose(bucket: MemoryBucket, name: string, query: URLSearchParams, json: unknown): StoredObject {
    const { sourceObjects, destination } = parsed(composeRequest, json);
    if (sourceObjects.length === 0)
      throw new GcsError(400, 'required', 'You must provide at least one source component.');
    if (sourceObjects.length > sourcesAtMost)
      throw invalid(
        `The number of source components provided (${sourceObjects.length}) exceeds the maximum (${sourcesAtMost})`,
      );
    const sources = sourceObjects.map((source) => bucket.read(source.name, {}, source.generation));
    const componentCount = sources.reduce((sum, source) => sum + (source.componentCount ?? 1), 0);
    const bytes = Buffer.concat(sources.map((source) => source.bytes));
    return bucket.write(name, bytes, newObject(saidOf(destination), undefined), conditionsOf(query), {
      componentCount,
    });
  }

  /** `path` is the source's name, `rewriteTo` or `copyTo`, `b`, bucket, `o`, name. */
  copy(bucket: MemoryBucket, path: readonly string[], query: URLSearchParams, json: unknown, base: string): unknown {
    const [from = '', verb, , toBucket = '', , to = ''] = path;
    const generation = query.get('sourceGeneration');
    const source = bucket.read(
      from,
      conditionsOf(query, 'ifSource'),
      generation === null ? undefined : Number(generation),
    );
    const target = this.#buckets.get(toBucket);
    target.check(to, conditionsOf(query));
    const size = source.bytes.length;
    if (verb === 'rewriteTo') {
      const done = this.#rewritten(query, `${bucket.name}/${from}/${source.generation}>${toBucket}/${to}`, size);
      if (done.done < size) {
        this.rewritesContinued += 1;
        return {
          kind: 'storage#rewriteResponse',
          totalBytesRewritten: String(done.done),
          objectSize: String(size),
          done: false,
          rewriteToken: done.token,
        };
      }
    }
    const said = saidOf(json);
    // A resource replaces what the source has; without one it comes along.
    const replaces = said.contentType !== undefined || said.metadata !== undefined;
    const written = target.write(
      to,
      source.bytes,
      replaces
        ? newObject(said, undefined)
        : { contentType: source.contentType, contentEncoding: source.contentEncoding, metadata: source.metadata },
      conditionsOf(query),
      source.componentCount === undefined ? undefined : { componentCount: source.componentCount },
    );
    const resource = objectResource(target, written, base);
    if (verb === 'copyTo') return resource;
    const total = String(size);
    return { kind: 'storage#rewriteResponse', totalBytesRewritten: total, objectSize: total, done: true, resource };
  }

  #rewritten(query: URLSearchParams, of: string, size: number): { done: number; token: string } {
    const token = query.get('rewriteToken') ?? randomUUID();
    const rewrite = query.has('rewriteToken') ? this.#rewrites.get(token) : { of, done: 0 };
    if (rewrite?.of !== of) throw invalid('Invalid rewrite token');
    rewrite.done = Math.min(size, rewrite.done + this.#rewriteBytes);
    this.#rewrites.set(token, rewrite);
    return { done: rewrite.done, token };
  }

  /** Bytes, with the headers that both APIs have. The XML API's say user metadata too. */
  download(
    bucket: MemoryBucket,
    name: string,
    conditions: Conditions,
    request: IncomingMessage,
    response: ServerResponse,
    xml: boolean,
  ): void {
    const object = bucket.read(name, conditions);
    const gzip = object.contentEncoding === 'gzip';
    const raw = !gzip || /\bgzip\b/.test(request.headers['accept-encoding']?.toString() ?? '');
    const whole = raw ? object.bytes : gunzipSync(object.bytes);
    const md5 = object.md5Hash === undefined ? '' : `,md5=${object.md5Hash}`;
    const headers: Record<string, string | number> = {
      ...(object.contentType === undefined ? {} : { 'content-type': object.contentType }),
      ...(gzip && raw ? { 'content-encoding': 'gzip' } : {}),
      'accept-ranges': 'bytes',
      'last-modified': new Date(object.updated).toUTCString(),
      'x-goog-generation': String(object.generation),
      'x-goog-metageneration': String(object.metageneration),
      'x-goog-stored-content-encoding': object.contentEncoding ?? 'identity',
      'x-goog-stored-content-length': String(object.bytes.length),
      'x-goog-hash': `crc32c=${object.crc32c}${md5}`,
      'x-goog-storage-class': 'STANDARD',
    };
    if (xml)
      for (const [key, value] of Object.entries(object.metadata))
        headers[`x-goog-meta-${key}`] = Buffer.from(value, 'utf8').toString('latin1');
    const range = raw ? rangeOf(request.headers.range, whole.length) : undefined;
    if (range === 'beyond')
      throw new GcsError(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable', 'InvalidRange');
    const body = range === undefined ? whole : whole.subarray(range.start, range.end);
    const part =
      range === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end - 1}/${whole.length}` };
    response.writeHead(range === undefined ? 200 : 206, { ...headers, ...part, 'content-length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

function rangeOf(header: string | undefined, size: number): { start: number; end: number } | 'beyond' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') return size === 0 ? 'beyond' : { start: Math.max(0, size - Number(to)), end: size };
  if (Number(from) >= size) return 'beyond';
  return { start: Number(from), end: to === '' ? size : Math.min(size, Number(to) + 1) };
}
