import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { TowError } from '../../base/errors.ts';
import type { Credentials } from './credentials.ts';
import { parseRefusal, refusalError } from './refusal.ts';
import type { HttpRequest, Transport } from './transport.ts';

type Query = Readonly<Record<string, string | number | undefined>>;

/** Of a listing with 1000 of the longest keys there can be, and of an error. */
const maxJsonBytes = 32 << 20;
const maxRefusalBytes = 64 << 10;

/** One bucket's requests: where they go, who asks, and what errors are. */
export class GcsApi {
  readonly bucket: string;
  readonly #base: string;
  readonly #credentials: Credentials;
  readonly #transport: Transport;

  constructor(bucket: string, endpoint: string | undefined, credentials: Credentials, transport: Transport) {
    this.bucket = bucket;
    this.#base = (endpoint ?? 'https://storage.googleapis.com').replace(/\/+$/, '');
    this.#credentials = credentials;
    this.#transport = transport;
  }

  /** Of the JSON API, below the buckets. */
  url(path: readonly string[], query: Query = {}): string {
    return this.#url('/storage/v1/b', path, query);
  }

  uploadUrl(query: Query): string {
    return this.#url('/upload/storage/v1/b', [this.bucket, 'o'], query);
  }

  /** Of the XML API: its downloads have user metadata among their headers, those of the JSON API have not. */
  downloadUrl(key: string): string {
    return this.#url('', [this.bucket, key], {});
  }

  /** Answers with what `schema` makes of the JSON. */
  async json<T extends v.GenericSchema>(
    schema: T,
    request: HttpRequest,
    key: string | undefined,
    signal: AbortSignal,
  ): Promise<v.InferOutput<T>> {
    const incoming = await this.open(request, [200], key, signal);
    const text = await this.#text(incoming, request.url, maxJsonBytes, signal);
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
    if (parsed.success) return parsed.output;
    const cause = new Error(parsed.issues[0].message);
    throw new TowError('store-failed', `${this.#base}: the answer is none of Google Cloud Storage`, { cause });
  }

  /** For requests whose status is all there is to know: resolves with it. */
  async done(
    request: HttpRequest,
    key: string | undefined,
    signal: AbortSignal,
    statuses: readonly number[] = [200, 204],
  ): Promise<number> {
    const incoming = await this.open(request, statuses, key, signal);
    await this.#text(incoming, request.url, maxJsonBytes, signal);
    return incoming.statusCode ?? 0;
  }

  /** Resolves with an answer of one of these statuses, its body unread. */
  async open(
    request: HttpRequest,
    statuses: readonly number[],
    key: string | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const who = await this.#credentials.headers(signal);
    const incoming = await this.#transport.send({ ...request, headers: { ...request.headers, ...who } }, signal);
    const status = incoming.statusCode ?? 0;
    if (statuses.includes(status)) return incoming;
    const text = await this.#text(incoming, request.url, maxRefusalBytes, signal);
    throw refusalError(parseRefusal(status, text), {
      bucket: this.bucket,
      anonymous: this.#credentials.anonymous,
      ...(key === undefined ? {} : { key }),
    });
  }

  body(incoming: IncomingMessage, url: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    return this.#transport.body(incoming, url, signal);
  }

  async #text(incoming: IncomingMessage, url: string, limit: number, signal: AbortSignal): Promise<string> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.body(incoming, url, signal)) {
      length += chunk.length;
      if (length > limit) throw new TowError('limit-exceeded', `${this.#base}: an answer has more than ${limit} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  #url(api: string, path: readonly string[], query: Query): string {
    const url = `${this.#base}${[api, ...path.map(encodeURIComponent)].join('/')}`;
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, String(value));
    return params.size === 0 ? url : `${url}?${params.toString()}`;
  }
}

/** A request that sends JSON. */
export function post(url: string, body: unknown): HttpRequest {
  const headers = { 'content-type': 'application/json' };
  return { method: 'POST', url, headers, body: [Buffer.from(JSON.stringify(body))] };
}
