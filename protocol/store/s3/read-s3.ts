import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { TowError } from '../../base/errors.ts';
import { checkedBody } from '../checked-body.ts';
import { type Checksum, type ChecksumAlgorithm, checksumOfBase64 } from '../checksum.ts';
import type { GetOptions, ObjectBody, ObjectHead } from '../object-store.ts';
import { versionOf } from './s3-bucket.ts';
import type { S3Wire } from './s3-wire.ts';

export interface S3Reading {
  readonly wire: S3Wire;
  /** Whether the ETag of an object that was put at once is its MD5. */
  readonly versionIsMd5: boolean;
  /** What a key is called in errors. */
  name(key: string): string;
}

/** What services give of objects that were written with it; Amazon of all that are new. Without, no sums are in the answer. */
const withChecksums = { 'x-amz-checksum-mode': 'ENABLED' };
/** That which says most, first. */
const checksumHeaders: readonly ChecksumAlgorithm[] = ['sha256', 'sha1', 'crc64nvme', 'crc32c', 'crc32'];
const metadataPrefix = 'x-amz-meta-';
/** HTTP: the range begins where the object has ended. */
const rangeBeyond = 416;

/** Undefined when there is no such object. */
export async function headS3(reading: S3Reading, key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
  try {
    return await askHead(reading, key, withChecksums, signal).catch(async (error: unknown) => {
      if (!(error instanceof TowError && error.code === 'store-forbidden')) throw error;
      // The sums of an object under a key of the customer's take leave to use that key; the rest of a head does not.
      return await askHead(reading, key, {}, signal);
    });
  } catch (error) {
    if (error instanceof TowError && error.code === 'object-missing') return undefined;
    throw error;
  }
}

async function askHead(
  reading: S3Reading,
  key: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ObjectHead> {
  const answer = await reading.wire.send({ method: 'HEAD', key, headers }, signal);
  answer.resume();
  return headOf(reading, key, answer.headers, lengthOf(answer.headers), checksumOf(answer.headers));
}

/** As `ObjectStore.get`. */
export async function getS3(
  reading: S3Reading,
  key: string,
  { range, ifVersion, borrow }: GetOptions,
  signal: AbortSignal,
): Promise<ObjectBody> {
  const { wire } = reading;
  const read = {
    method: 'GET',
    key,
    accept: rangeBeyond,
    headers: {
      ...(range === undefined ? withChecksums : { range: `bytes=${range.start}-${range.end - 1}` }),
      ...(ifVersion === undefined ? {} : { 'if-match': `"${ifVersion}"` }),
    },
  } as const;
  const raw = borrow === true && range !== undefined ? await wire.sendRaw(read, signal) : undefined;
  if (raw !== undefined && range !== undefined) return bodyOf(reading, key, range, raw, signal);
  const answer = await wire.send(read, signal);
  if (answer.statusCode === rangeBeyond) {
    answer.destroy();
    return await nothingOf(reading, key, ifVersion, signal);
  }
  return bodyOf(reading, key, range, { headers: answer.headers, body: answer }, signal);
}

/** What was answered, checked against what was asked for. */
function bodyOf(
  reading: S3Reading,
  key: string,
  range: GetOptions['range'],
  { headers, body }: { readonly headers: IncomingHttpHeaders; readonly body: Parameters<typeof checkedBody>[0] },
  signal: AbortSignal,
): ObjectBody {
  try {
    const length = lengthOf(headers);
    if (range === undefined) {
      const head = headOf(reading, key, headers, length, checksumOf(headers));
      return { head, bytes: checkedBody(body, head.size, reading.name(key), signal) };
    }
    // A service that gives all instead of a part of it says 200.
    const part = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '');
    const [start, last, total] = [part?.[1], part?.[2], part?.[3]].map(Number);
    const whole = range.start === 0 && part === null && length !== undefined && length <= range.end;
    if (!whole && (start !== range.start || last === undefined || total === undefined))
      throw new TowError('store-failed', `${reading.name(key)}: the service gave another part than was asked for`);
    // What is said here may be the sum of a part.
    const head = headOf(reading, key, headers, whole ? length : total, undefined);
    const wanted = Math.min(range.end, head.size) - range.start;
    return { head, bytes: checkedBody(body, wanted, reading.name(key), signal) };
  } catch (error) {
    body.destroy();
    throw error;
  }
}

/** A range that begins at the object's end or beyond it. */
async function nothingOf(
  reading: S3Reading,
  key: string,
  ifVersion: string | undefined,
  signal: AbortSignal,
): Promise<ObjectBody> {
  return { head: await expectVersion(reading, key, ifVersion, signal), bytes: Readable.from([]) };
}

/** The object's head. Rejects with `object-missing`, and `object-changed` when it has another version. */
export async function expectVersion(
  reading: S3Reading,
  key: string,
  version: string | undefined,
  signal: AbortSignal,
): Promise<ObjectHead> {
  const head = await headS3(reading, key, signal);
  if (head === undefined) throw new TowError('object-missing', `${reading.name(key)}: there is no such object`);
  if (version !== undefined && head.version !== version)
    throw new TowError('object-changed', `${reading.name(key)}: the object was replaced meanwhile`);
  return head;
}

function lengthOf(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['content-length'];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Of all bytes; that of an object in parts may be a sum of the parts' sums, which says `COMPOSITE` or has a number at its end. */
function checksumOf(headers: IncomingHttpHeaders): Checksum | undefined {
  if (headers['x-amz-checksum-type'] === 'COMPOSITE') return undefined;
  for (const algorithm of checksumHeaders) {
    const said = headers[`x-amz-checksum-${algorithm}`];
    const checksum = typeof said === 'string' ? checksumOfBase64(algorithm, said) : undefined;
    if (checksum !== undefined) return checksum;
  }
  return undefined;
}

function headOf(
  reading: S3Reading,
  key: string,
  headers: IncomingHttpHeaders,
  size: number | undefined,
  checksum: Checksum | undefined,
): ObjectHead {
  if (size === undefined || !Number.isSafeInteger(size))
    throw new TowError('store-failed', `${reading.name(key)}: the service gave no size`);
  const version = versionOf(headers.etag === '' ? undefined : headers.etag);
  // Encrypted with keys of the customer's, an object has an ETag that looks like an MD5 and is none.
  const isMd5 =
    reading.versionIsMd5 &&
    headers['x-amz-server-side-encryption-customer-algorithm'] === undefined &&
    !String(headers['x-amz-server-side-encryption'] ?? '').startsWith('aws:kms');
  const md5 = isMd5 && /^[0-9a-f]{32}$/.test(version) ? version : undefined;
  const metadata: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (name.startsWith(metadataPrefix) && typeof value === 'string')
      metadata[name.slice(metadataPrefix.length)] = value;
  }
  return {
    key,
    size,
    version,
    modifiedMs: Date.parse(headers['last-modified'] ?? '') || 0,
    contentType: headers['content-type'],
    metadata,
    md5,
    checksum: md5 === undefined ? checksum : undefined,
  };
}
