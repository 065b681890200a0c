/** Amazon's Signature Version 4 for S3 requests ("Signature Calculations for the Authorization Header"). */
import { createHash, createHmac } from 'node:crypto';
import type { S3Keys } from './s3-credentials.ts';

export interface UnsignedRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT';
  /** As the Host header has it. */
  readonly host: string;
  /** As it is sent: encoded, once. */
  readonly path: string;
  /** Encoded, sorted, joined; '' for none. See `encodeQuery`. */
  readonly query: string;
  /** Others that are signed: what the service takes for the writer's word must be. Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** SHA-256 of the body, lower-case hex; none: there is no body. */
  readonly payload?: string;
}

const emptyPayload = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Signs requests to one region. The key for a day is worked out once. */
export class SignerV4 {
  readonly #region: string;
  #day = '';
  #secret = '';
  #key: Buffer | undefined;

  constructor(region: string) {
    this.#region = region;
  }

  /** The headers that prove who sends it, those of the request aside. `now`: milliseconds since 1970. */
  sign(request: UnsignedRequest, keys: S3Keys, now: number): Record<string, string> {
    const { method, host, path, query, headers = {}, payload = emptyPayload } = request;
    const date = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const proof: Record<string, string> = { 'x-amz-date': date, 'x-amz-content-sha256': payload };
    if (keys.sessionToken !== undefined) proof['x-amz-security-token'] = keys.sessionToken;
    const signed: Record<string, string> = { host, ...headers, ...proof };
    const names = Object.keys(signed).sort();
    const lines = names.map((name) => `${name}:${canonicalValue(signed[name] ?? '')}\n`).join('');
    const canonical = `${method}\n${path}\n${query}\n${lines}\n${names.join(';')}\n${payload}`;
    const day = date.slice(0, 8);
    const scope = `${day}/${this.#region}/s3/aws4_request`;
    const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
    const signature = createHmac('sha256', this.#keyOf(day, keys.secretAccessKey)).update(text).digest('hex');
    proof['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    return proof;
  }

  #keyOf(day: string, secret: string): Buffer {
    if (this.#key !== undefined && this.#day === day && this.#secret === secret) return this.#key;
    let key: Buffer = Buffer.from(`AWS4${secret}`);
    for (const part of [day, this.#region, 's3', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
    this.#day = day;
    this.#secret = secret;
    this.#key = key;
    return key;
  }
}

/** Without the spaces that a header loses on its way, and with one where there are several. */
function canonicalValue(value: string): string {
  return /^ | {2}| $|\t/.test(value) ? value.trim().replace(/\s+/g, ' ') : value;
}

/** A key as a path has it: its slashes stay. */
export function encodeKey(key: string): string {
  // What most keys are made of needs no look at each name.
  return /^[\w./-]*$/.test(key) ? key : key.split('/').map(encodeText).join('/');
}

export function encodeQuery(parameters: readonly (readonly [name: string, value: string])[]): string {
  return parameters
    .map(([name, value]) => `${encodeText(name)}=${encodeText(value)}`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join('&');
}

/** Throws `URIError` for half a surrogate pair, which no service has in a key. */
function encodeText(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
