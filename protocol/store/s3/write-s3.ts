/**
 * Bytes into a bucket. Content-MD5 guards them whoever the service is: of the newer checksums Amazon takes a part's only
 * when its upload was begun with them, and what an upload knows already is the MD5.
 */
import { createHash } from 'node:crypto';
import type { PutOptions, Written } from '../object-store.ts';
import { versionOf } from './s3-bucket.ts';
import type { S3Wire, S3Write } from './s3-wire.ts';

/** As `ObjectStore.put`. */
export async function putS3(
  wire: S3Wire,
  key: string,
  bytes: Uint8Array,
  { contentType, metadata = {}, condition, md5 }: PutOptions,
  signal: AbortSignal,
): Promise<Written> {
  const headers: Record<string, string> = {
    'content-md5': md5 === undefined ? md5Of(bytes) : Buffer.from(md5, 'hex').toString('base64'),
    // As Amazon's client has it: without one services choose differently.
    'content-type': contentType ?? 'application/octet-stream',
  };
  for (const name in metadata) headers[`x-amz-meta-${name}`] = metadata[name] ?? '';
  if (condition?.type === 'absent') headers['if-none-match'] = '*';
  else if (condition !== undefined) headers['if-match'] = `"${condition.version}"`;
  const version = await put(wire, { method: 'PUT', key, headers, body: bytes }, signal);
  return { key, size: bytes.byteLength, version };
}

/** One part of an upload; resolves with its ETag, without quotes. Rejects as `ObjectStore`. */
export async function putPartS3(
  wire: S3Wire,
  { key, id, number }: { readonly key: string; readonly id: string; readonly number: number },
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<string> {
  const query = [
    ['partNumber', `${number}`],
    ['uploadId', id],
  ] as const;
  return await put(wire, { method: 'PUT', key, query, headers: { 'content-md5': md5Of(bytes) }, body: bytes }, signal);
}

async function put(wire: S3Wire, write: S3Write, signal: AbortSignal): Promise<string> {
  return versionOf((await wire.put(write, signal)).etag);
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64');
}
