/**
 * Requests for a bucket, signed by us and sent with Node's own HTTP: an object of a few kilobytes costs a third of what it
 * does through Amazon's client. All that reads goes this way, and what writes bytes (write-s3.ts).
 */
import { createHash } from 'node:crypto';
import { type IncomingHttpHeaders, type IncomingMessage, Agent as PlainAgent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { ErrorCode } from '../../base/errors.ts';
import { exchange } from './http-exchange.ts';
import { type RawAnswer, RawGets } from './raw-gets.ts';
import { RawPuts } from './raw-puts.ts';
import { isSameKeys, type S3Credentials, type S3Keys } from './s3-credentials.ts';
import { s3Error } from './s3-error.ts';
import { encodeKey, encodeQuery, SignerV4 } from './sign-v4.ts';

/** Where a bucket is asked for. */
export interface S3Place {
  readonly protocol: 'http:' | 'https:';
  readonly hostname: string;
  readonly port: number | undefined;
  /** Before the key, encoded, with a slash at its end. */
  readonly path: string;
}

export interface S3WireOptions {
  /** Names the bucket in errors. */
  readonly name: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  /** At once. */
  readonly connections: number;
  /** Milliseconds without a byte, from connecting to the end of the body, after which what reads has failed. */
  readonly silenceMs: number;
  /** The same of what writes, which may be long at work on the other side. */
  readonly writeSilenceMs: number;
  /** Milliseconds for a connection to come about, if those are fewer. */
  readonly connectMs: number;
  /** Asked once a region. */
  place(region: string): Promise<S3Place>;
}

export interface S3Read {
  readonly method: 'GET' | 'HEAD';
  /** Undefined: the bucket itself. */
  readonly key?: string;
  readonly query?: readonly (readonly [name: string, value: string])[];
  /** Signed with the request: Amazon refuses one with `x-amz-` headers that are not. Names in lower case, values ASCII. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A status that is an answer too. */
  readonly accept?: number;
}

export interface S3Write {
  readonly method: 'PUT';
  readonly key: string;
  readonly query?: S3Read['query'];
  /** Signed with the request. Names in lower case, values ASCII. */
  readonly headers: Readonly<Record<string, string>>;
  /** Not to be changed until the answer is there. */
  readonly body: Uint8Array;
}

type S3Request = S3Read | S3Write;

/** What the service says of keys that have ended, and of those that were replaced or withdrawn meanwhile. */
const renewable: ReadonlySet<string> = new Set(['credentials-expired', 'credentials-refused'] satisfies ErrorCode[]);
/** Of an answer that says what is wrong: the service's own words are cut there. */
const errorBytes = 64 << 10;
/** Bodies up to so many bytes go past Node's client: what a larger one costs is its bytes. */
const rawBytes = 1 << 20;

export class S3Wire {
  readonly #options: S3WireOptions;
  readonly #agents: { readonly 'http:': PlainAgent; readonly 'https:': TlsAgent };
  #gets: RawGets;
  #puts: RawPuts;
  #signer: SignerV4;
  #region: string;
  #place: Promise<S3Place> | undefined;

  constructor(options: S3WireOptions) {
    this.#options = options;
    const agent = { keepAlive: true, maxSockets: options.connections, noDelay: true };
    this.#agents = { 'http:': new PlainAgent(agent), 'https:': new TlsAgent(agent) };
    this.#gets = rawGets(options);
    this.#puts = rawPuts(options);
    this.#region = options.region;
    this.#signer = new SignerV4(options.region);
  }

  /**
   * Resolves with an answer of 2xx (or `accept`), whose body the caller must read or destroy. Other keys are asked for once when the
   * service does not take these any more, and the region that it names is used from then on. Rejects as `ObjectStore`.
   */
  async send(request: S3Request, signal: AbortSignal): Promise<IncomingMessage> {
    const doing = this.#doing(request);
    const accept = request.method === 'PUT' ? undefined : request.accept;
    const payload = request.method === 'PUT' ? payloadOf(request) : undefined;
    let mayRenew = true;
    let mayMove = true;
    for (;;) {
      const keys = await this.#options.credentials.current();
      const asked = this.#region;
      const answer = await this.#exchange(request, payload, keys, signal);
      const status = answer.statusCode ?? 0;
      if ((status >= 200 && status < 300) || status === accept) return answer;
      const error = s3Error(await refusalOf(answer, status), doing);
      const region = answer.headers['x-amz-bucket-region'];
      if (mayMove && typeof region === 'string' && region !== asked && /^[a-z0-9-]{1,64}$/.test(region)) {
        mayMove = false;
        // Another request may have been told so before.
        if (region !== this.#region) this.#move(region);
      } else if (mayRenew && renewable.has(error.code)) {
        mayRenew = false;
        const newer = await this.#options.credentials.instead(keys);
        // Those that the service does not know are not known the next time either.
        if (newer === undefined || (error.code === 'credentials-refused' && isSameKeys(newer, keys))) throw error;
      } else throw error;
    }
  }

  #move(region: string): void {
    this.#region = region;
    this.#signer = new SignerV4(region);
    this.#place = undefined;
    // Their connections lead to where the bucket is not.
    this.#gets = rawGets(this.#options);
    this.#puts = rawPuts(this.#options);
  }

  /**
   * As `send`, for a large body: each chunk of it is whole until the next one is asked for. Undefined when `send` must be
   * asked, as for all that is no plain answer.
   */
  async sendRaw(read: S3Read, signal: AbortSignal): Promise<RawAnswer | undefined> {
    const keys = await this.#options.credentials.current();
    const { place, path, headers } = await this.#prepare(read, undefined, keys);
    return await this.#gets.get({ place, path, headers, doing: this.#doing(read) }, signal);
  }

  /** As `send`: the headers of the answer. */
  async put(write: S3Write, signal: AbortSignal): Promise<IncomingHttpHeaders> {
    if (write.body.byteLength <= rawBytes) {
      const keys = await this.#options.credentials.current();
      const { place, path, headers } = await this.#prepare(write, payloadOf(write), keys);
      const head = await this.#puts.put({ place, path, headers, doing: this.#doing(write) }, write.body, signal);
      if (head !== undefined) return head;
    }
    const answer = await this.send(write, signal);
    answer.resume();
    return answer.headers;
  }

  #doing({ key }: S3Request): string {
    return key === undefined ? this.#options.name : `${this.#options.name}/${key}`;
  }

  async #prepare(
    request: S3Request,
    payload: string | undefined,
    keys: S3Keys | undefined,
  ): Promise<{ readonly place: S3Place; readonly path: string; readonly headers: Record<string, string> }> {
    this.#place ??= this.#options.place(this.#region);
    const place = await this.#place;
    const host = place.port === undefined ? place.hostname : `${place.hostname}:${place.port}`;
    const path = `${place.path}${request.key === undefined ? '' : encodeKey(request.key)}`;
    const query = request.query === undefined ? '' : encodeQuery(request.query);
    const { method } = request;
    const unsigned = { method, host, path, query, headers: request.headers ?? {} };
    const proof =
      keys === undefined
        ? {}
        : this.#signer.sign(payload === undefined ? unsigned : { ...unsigned, payload }, keys, Date.now());
    return {
      place,
      path: query === '' ? path : `${path}?${query}`,
      headers: { host, ...proof, ...request.headers, ...lengthOf(request) },
    };
  }

  /** The head of the answer, whatever it is. */
  async #exchange(
    request: S3Request,
    payload: string | undefined,
    keys: S3Keys | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { place, path, headers } = await this.#prepare(request, payload, keys);
    const { protocol, hostname, port } = place;
    const { silenceMs, writeSilenceMs, connectMs } = this.#options;
    const body = request.method === 'PUT' ? request.body : undefined;
    return await exchange(
      {
        agent: this.#agents[protocol],
        protocol,
        hostname,
        port,
        path,
        method: request.method,
        headers,
        body,
        silenceMs: body === undefined ? silenceMs : writeSilenceMs,
        connectMs,
        doing: this.#doing(request),
      },
      signal,
    );
  }
}

function rawGets({ silenceMs, connectMs }: S3WireOptions): RawGets {
  return new RawGets({ silenceMs, connectMs });
}

function rawPuts({ writeSilenceMs, connectMs }: S3WireOptions): RawPuts {
  return new RawPuts({ silenceMs: writeSilenceMs, connectMs });
}

/**
 * Signed over TLS too, where a service need not insist on it: of 10 KB it takes 17 µs of some 300 for the whole request, of
 * 8 MiB 10 ms; and of those that speak S3 all take it, not all take UNSIGNED-PAYLOAD.
 */
function payloadOf({ body }: S3Write): string {
  return createHash('sha256').update(body).digest('hex');
}

function lengthOf(request: S3Request): { readonly 'content-length'?: string } {
  return request.method === 'PUT' ? { 'content-length': `${request.body.byteLength}` } : {};
}

/** What the service says is wrong, in the form of what Amazon's client throws. */
async function refusalOf(answer: IncomingMessage, status: number): Promise<Error> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      if (!(chunk instanceof Buffer)) continue;
      bytes += chunk.length;
      if (bytes > errorBytes) break;
      chunks.push(chunk);
    }
  } catch {
    // The status says enough.
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const name = /<Code>([A-Za-z]{1,64})<\/Code>/.exec(text)?.[1] ?? 'UnknownError';
  const message = /<Message>([^<]{1,300})<\/Message>/.exec(text)?.[1] ?? '';
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });
}
