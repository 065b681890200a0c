/**
 * Requests that read a bucket, sent with Node's own HTTP: an object of a few kilobytes costs a third of what it does
 * through Amazon's client, which stays for what writes.
 */
import { type ClientRequest, type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { throwIfAborted } from '../../base/abort.ts';
import { type RawAnswer, RawGets } from './raw-gets.ts';
import type { S3Credentials, S3Keys } from './s3-credentials.ts';
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
  /** Milliseconds without a byte, from connecting to the end of the body, after which a request has failed. */
  readonly silenceMs: number;
  /** Asked once a region. */
  place(region: string): Promise<S3Place>;
}

export interface S3Read {
  readonly method: 'GET' | 'HEAD';
  /** Undefined: the bucket itself. */
  readonly key?: string;
  readonly query?: readonly (readonly [name: string, value: string])[];
  readonly headers?: Readonly<Record<string, string>>;
  /** A status that is an answer too. */
  readonly accept?: number;
}

/** Of an answer that says what is wrong: the service's own words are cut there. */
const errorBytes = 64 << 10;

export class S3Wire {
  readonly #options: S3WireOptions;
  readonly #agents: { readonly 'http:': PlainAgent; readonly 'https:': TlsAgent };
  #raw: RawGets;
  #signer: SignerV4;
  #region: string;
  #place: Promise<S3Place> | undefined;

  constructor(options: S3WireOptions) {
    this.#options = options;
    const agent = { keepAlive: true, maxSockets: options.connections, noDelay: true };
    this.#agents = { 'http:': new PlainAgent(agent), 'https:': new TlsAgent(agent) };
    this.#raw = new RawGets(options.silenceMs);
    this.#region = options.region;
    this.#signer = new SignerV4(options.region);
  }

  /**
   * Resolves with an answer of 2xx (or `accept`), whose body the caller must read or destroy. Other keys are asked for once when the
   * service says that these have ended, and the region that it names is used from then on. Rejects as `ObjectStore`.
   */
  async send(read: S3Read, signal: AbortSignal): Promise<IncomingMessage> {
    const doing = this.#doing(read);
    let mayRenew = true;
    let mayMove = true;
    for (;;) {
      const keys = await this.#options.credentials.current();
      const answer = await this.#exchange(read, keys, doing, signal);
      const status = answer.statusCode ?? 0;
      if ((status >= 200 && status < 300) || status === read.accept) return answer;
      const error = s3Error(await refusalOf(answer, status), doing);
      const region = answer.headers['x-amz-bucket-region'];
      if (mayMove && typeof region === 'string' && region !== this.#region && /^[a-z0-9-]{1,64}$/.test(region)) {
        mayMove = false;
        this.#move(region);
      } else if (mayRenew && error.code === 'credentials-expired') {
        mayRenew = false;
        if ((await this.#options.credentials.instead(keys)) === undefined) throw error;
      } else throw error;
    }
  }

  #move(region: string): void {
    this.#region = region;
    this.#signer = new SignerV4(region);
    this.#place = undefined;
    // Its connections lead to where the bucket is not.
    this.#raw = new RawGets(this.#options.silenceMs);
  }

  /**
   * As `send`, for a large body: each chunk of it is whole until the next one is asked for. Undefined when `send` must be
   * asked, as for all that is no plain answer.
   */
  async sendRaw(read: S3Read, signal: AbortSignal): Promise<RawAnswer | undefined> {
    const keys = await this.#options.credentials.current();
    const { place, path, headers } = await this.#prepare(read, keys);
    return await this.#raw.get({ place, path, headers, doing: this.#doing(read) }, signal);
  }

  #doing({ key }: S3Read): string {
    return key === undefined ? this.#options.name : `${this.#options.name}/${key}`;
  }

  async #prepare(
    read: S3Read,
    keys: S3Keys | undefined,
  ): Promise<{ readonly place: S3Place; readonly path: string; readonly headers: Record<string, string> }> {
    this.#place ??= this.#options.place(this.#region);
    const place = await this.#place;
    const host = place.port === undefined ? place.hostname : `${place.hostname}:${place.port}`;
    const path = `${place.path}${read.key === undefined ? '' : encodeKey(read.key)}`;
    const query = read.query === undefined ? '' : encodeQuery(read.query);
    const signed =
      keys === undefined ? {} : this.#signer.sign({ method: read.method, host, path, query }, keys, Date.now());
    return { place, path: query === '' ? path : `${path}?${query}`, headers: { host, ...signed, ...read.headers } };
  }

  /** The head of the answer, whatever it is. */
  async #exchange(
    read: S3Read,
    keys: S3Keys | undefined,
    doing: string,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { place, path, headers } = await this.#prepare(read, keys);
    const { protocol, hostname, port } = place;
    throwIfAborted(signal);
    const send = protocol === 'https:' ? tlsRequest : plainRequest;
    return await new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        signal.removeEventListener('abort', stop);
        reject(s3Error(error, doing));
      };
      const request: ClientRequest = send({
        agent: this.#agents[protocol],
        protocol,
        // An address of IPv6 is in brackets in a URL, and not here.
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        path,
        method: read.method,
        headers,
        timeout: this.#options.silenceMs,
      });
      const stop = (): void => {
        request.destroy();
        fail(Object.assign(new Error('cancelled'), { name: 'AbortError' }));
      };
      signal.addEventListener('abort', stop, { once: true });
      request.on('timeout', () => request.destroy(silence(this.#options.silenceMs)));
      request.once('response', (answer) => {
        signal.removeEventListener('abort', stop);
        resolve(answer);
      });
      // Also after the answer came: its body then fails by itself.
      request.on('error', fail);
      request.end();
    });
  }
}

function silence(ms: number): Error {
  return Object.assign(new Error(`no byte came for ${ms / 1000} s`), { name: 'TimeoutError' });
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
