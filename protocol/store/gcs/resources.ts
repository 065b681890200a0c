/** What the JSON API says of objects and listings, checked. */
import * as v from 'valibot';
import { checksumOfBase64 } from '../checksum.ts';
import type { ObjectHead, ObjectStat } from '../object-store.ts';

const generation = v.pipe(v.string(), v.regex(/^\d{1,20}$/));
const size = v.pipe(v.string(), v.regex(/^\d{1,16}$/), v.transform(Number), v.safeInteger());
/** Whole seconds, as downloads say no more: the same object has the same time wherever it is told. */
const time = v.pipe(
  v.string(),
  v.transform((text) => Math.floor(Date.parse(text) / 1000) * 1000),
  v.safeInteger(),
);
const name = v.pipe(v.string(), v.maxLength(4096));

const stat = v.object({ name, size, generation, updated: time });
export const statFields = 'name,size,generation,updated';

const object = v.object({
  ...stat.entries,
  contentType: v.optional(v.string()),
  metadata: v.optional(v.record(v.string(), v.string())),
  md5Hash: v.optional(v.string()),
  crc32c: v.optional(v.string()),
});
export const objectFields = `${statFields},contentType,metadata,md5Hash,crc32c`;

export const listSchema = v.object({
  items: v.optional(v.array(v.pipe(stat, v.transform(statOf))), []),
  prefixes: v.optional(v.array(name), []),
  nextPageToken: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(8192))),
});

export const statSchema = v.pipe(stat, v.transform(statOf));

export const headSchema = v.pipe(
  object,
  v.transform(
    (resource): ObjectHead => ({
      ...statOf(resource),
      contentType: resource.contentType,
      metadata: withLowerNames(Object.entries(resource.metadata ?? {})),
      ...sumsOf(resource.md5Hash, resource.crc32c),
    }),
  ),
);

export const rewriteSchema = v.variant('done', [
  v.object({ done: v.literal(true), resource: statSchema }),
  v.object({ done: v.literal(false), rewriteToken: v.pipe(v.string(), v.minLength(1), v.maxLength(8192)) }),
]);

function statOf(resource: v.InferOutput<typeof stat>): ObjectStat {
  return {
    key: resource.name,
    size: resource.size,
    version: resource.generation,
    modifiedMs: resource.updated,
  };
}

export function withLowerNames(entries: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries(entries.map(([key, value]) => [key.toLowerCase(), value]));
}

/** An object that was put together has no MD5, but all have a CRC32C. */
export function sumsOf(md5: string | undefined, crc32c: string | undefined): Pick<ObjectHead, 'md5' | 'checksum'> {
  const hex = checksumOfBase64('md5', md5)?.hex;
  return { md5: hex, checksum: hex === undefined ? checksumOfBase64('crc32c', crc32c) : undefined };
}
