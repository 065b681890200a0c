import * as v from 'valibot';
import { TowError } from '../../base/errors.ts';
import { objectUri } from './object-name.ts';

/** An answer that is no success, as Google words it: JSON from the JSON API, XML from downloads. */
export interface Refusal {
  readonly status: number;
  /** `notFound`, `rateLimitExceeded` …, or in XML `NoSuchKey`, `AccessDenied` …; '' where it says none. */
  readonly reason: string;
  readonly message: string;
}

/** What was asked, for the words of the error. */
export interface Asked {
  readonly bucket: string;
  readonly key?: string;
  /** Whether the request said nothing of who asks. */
  readonly anonymous: boolean;
}

const jsonRefusal = v.object({
  error: v.object({
    message: v.optional(v.string()),
    errors: v.optional(v.array(v.object({ reason: v.optional(v.string()) }))),
  }),
});

const maxMessage = 300;

export function parseRefusal(status: number, text: string): Refusal {
  const { reason, message } = text.trimStart().startsWith('<') ? fromXml(text) : fromJson(text);
  // It is shown to people: one line of plain text, whatever came.
  return {
    status,
    reason,
    message: message
      .replaceAll(/[\p{C}\s]+/gu, ' ')
      .trim()
      .slice(0, maxMessage),
  };
}

function fromJson(text: string): { reason: string; message: string } {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), jsonRefusal), text);
  if (!parsed.success) return { reason: '', message: text };
  const { message = '', errors = [] } = parsed.output.error;
  return { reason: errors[0]?.reason ?? '', message };
}

function fromXml(text: string): { reason: string; message: string } {
  const element = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? '';
  return { reason: element('Code'), message: element('Message') };
}

/** The error that a refusal is. */
export function refusalError(refusal: Refusal, asked: Asked): TowError {
  const { status, reason, message } = refusal;
  const what = asked.key === undefined ? `gs://${asked.bucket}` : objectUri(asked.bucket, asked.key);
  const says = `${message === '' ? 'no reason given' : message} (${status}${reason === '' ? '' : ` ${reason}`})`;
  const options = { cause: new Error(`Google Cloud Storage: ${says}`) };
  const retryable = { ...options, retryable: true };
  switch (status) {
    case 401:
      return asked.anonymous ? wantsCredentials(what, options) : expired(what, options);
    case 403:
      if (isThrottling(reason)) return new TowError('store-throttled', `${what}: asked to go slower`, retryable);
      if (asked.anonymous) return wantsCredentials(what, options);
      return new TowError('store-forbidden', `${what}: not allowed`, options);
    case 404:
      return asked.key === undefined || isOfBucket(refusal)
        ? new TowError('bucket-missing', `gs://${asked.bucket}: no such bucket`, options)
        : new TowError('object-missing', `${what}: no such object`, options);
    case 304:
    case 412:
      return new TowError('object-changed', `${what}: has another version`, options);
    case 429:
      return new TowError('store-throttled', `${what}: asked to go slower`, retryable);
    case 408:
      return new TowError('store-unreachable', `${what}: the service gave up waiting`, retryable);
    default:
      if (status >= 500)
        return new TowError('store-unreachable', `${what}: the service failed with ${status}`, retryable);
      return new TowError('store-failed', `${what}: refused with ${status}`, options);
  }
}

function wantsCredentials(what: string, options: { readonly cause: Error }): TowError {
  const hint = 'it is no public bucket: log in with `gcloud auth application-default login`';
  return new TowError('credentials-missing', `${what}: not open to everybody`, { ...options, hint });
}

function expired(what: string, options: { readonly cause: Error }): TowError {
  return new TowError('credentials-expired', `${what}: the credentials are not valid any more`, options);
}

/** Google asks some to slow down by a 403. */
function isThrottling(reason: string): boolean {
  return reason === 'rateLimitExceeded' || reason === 'userRateLimitExceeded';
}

/** The JSON API gives one reason, `notFound`, for buckets and objects: only its words tell them apart. */
function isOfBucket({ reason, message }: Refusal): boolean {
  return reason === 'NoSuchBucket' || (reason !== 'NoSuchKey' && /^the specified bucket does not exist/i.test(message));
}
