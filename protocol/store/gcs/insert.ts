import { createHash, randomUUID } from 'node:crypto';
import { TowError } from '../../base/errors.ts';
import { Turns } from '../../base/turns.ts';
import type { ObjectStat, PutOptions, WriteOptions } from '../object-store.ts';
import type { GcsApi } from './gcs-api.ts';
import { objectUri } from './object-name.ts';
import { statFields, statSchema } from './resources.ts';

const hashStep = 1 << 20;

/** Writes one object at once. Google checks the MD5 that goes with it, so that nothing damaged is taken. */
export async function insertObject(
  api: GcsApi,
  key: string,
  bytes: Uint8Array,
  options: PutOptions,
  signal: AbortSignal,
): Promise<ObjectStat> {
  const { md5 } = options;
  const md5Hash = md5 === undefined ? await md5Of(bytes) : Buffer.from(md5, 'hex').toString('base64');
  const resource = { ...resourceOf(options), md5Hash };
  const boundary = randomUUID();
  const part = (type: string): string => `--${boundary}\r\ncontent-type: ${type}\r\n\r\n`;
  const start = `${part('application/json')}${JSON.stringify(resource)}\r\n${part('application/octet-stream')}`;
  const query = { uploadType: 'multipart', name: key, fields: statFields, ...conditionOf(api.bucket, key, options) };
  const request = {
    method: 'POST',
    url: api.uploadUrl(query),
    headers: { 'content-type': `multipart/related; boundary=${boundary}` },
    body: [Buffer.from(start), bytes, Buffer.from(`\r\n--${boundary}--`)],
  } as const;
  return await api.json(statSchema, request, key, signal);
}

/** What an object is beside its bytes. A type is always given, so that each way of writing leaves the same. */
export function resourceOf(options: Pick<WriteOptions, 'contentType' | 'metadata'>): {
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
} {
  return { contentType: options.contentType ?? 'application/octet-stream', metadata: options.metadata ?? {} };
}

export function conditionOf(
  bucket: string,
  key: string,
  { condition }: Pick<WriteOptions, 'condition'>,
): { readonly ifGenerationMatch?: string } {
  if (condition === undefined) return {};
  // Google has no generation 0: it stands for "there is none".
  return { ifGenerationMatch: condition.type === 'absent' ? '0' : generationOf(bucket, key, condition.version) };
}

/** Rejects with `object-changed` a version that Google has never given. */
export function generationOf(bucket: string, key: string, version: string): string {
  if (/^[1-9]\d{0,19}$/.test(version)) return version;
  throw new TowError('object-changed', `${objectUri(bucket, key)}: has another version`);
}

async function md5Of(bytes: Uint8Array): Promise<string> {
  const hash = createHash('md5');
  const turns = new Turns();
  for (let at = 0; at < bytes.length; at += hashStep) {
    hash.update(bytes.subarray(at, at + hashStep));
    if (turns.over) await turns.next();
  }
  return hash.digest('base64');
}
