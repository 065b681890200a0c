/** Amazon's Signature Version 4 for S3 requests without a body ("Signature Calculations for the Authorization Header"). */
import { createHash, createHmac } from 'node:crypto';
import type { S3Keys } from './s3-credentials.ts';

export interface UnsignedRequest {
  readonly method: 'GET' | 'HEAD';
  /** As the Host header has it. */
  readonly host: string;
  /** As it is sent: encoded, once. */
  readonly path: string;
  /** Encoded, sorted, joined; '' for none. See `encodeQuery`. */
  readonly query: string;
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

  /** The headers that prove who sends it. `now`: milliseconds since 1970. */
  sign({ method, host, path, query }: UnsignedRequest, keys: S3Keys, now: number): Record<string, string> {
    const date = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const token = keys.sessionToken;
    const names = `host;x-amz-content-sha256;x-amz-date${token === undefined ? '' : ';x-amz-security-token'}`;
    const headers =
      `host:${host}\nx-amz-content-sha256:${emptyPayload}\nx-amz-date:${date}\n` +
      (token === undefined ? '' : `x-amz-security-token:${token}\n`);
    const canonical = `${method}\n${path}\n${query}\n${headers}\n${names}\n${emptyPayload}`;
    const day = date.slice(0, 8);
    const scope = `${day}/${this.#region}/s3/aws4_request`;
    const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
    const signature = createHmac('sha256', this.#keyOf(day, keys.secretAccessKey)).update(text).digest('hex');
    return {
      'x-amz-date': date,
      'x-amz-content-sha256': emptyPayload,
      ...(token === undefined ? {} : { 'x-amz-security-token': token }),
      authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    };
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
