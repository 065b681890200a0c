import type { IncomingHttpHeaders } from 'node:http';
import * as v from 'valibot';
import type { ObjectHead } from '../object-store.ts';
import { sumsOf, withLowerNames } from './resources.ts';

const headersSchema = v.object({
  'x-goog-generation': v.pipe(v.string(), v.regex(/^\d{1,20}$/)),
  'x-goog-stored-content-length': v.pipe(v.string(), v.regex(/^\d{1,16}$/), v.transform(Number), v.safeInteger()),
  'last-modified': v.pipe(
    v.string(),
    v.transform((text) => Date.parse(text)),
    v.safeInteger(),
  ),
  'content-type': v.optional(v.string()),
  'x-goog-hash': v.optional(v.string(), ''),
});

const metadataPrefix = 'x-goog-meta-';

/** What the headers of a download say of the whole object; undefined where they do not say it. */
export function downloadHead(key: string, headers: IncomingHttpHeaders): ObjectHead | undefined {
  const parsed = v.safeParse(headersSchema, headers);
  if (!parsed.success) return undefined;
  const said = parsed.output;
  const metadata = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    name.startsWith(metadataPrefix) && typeof value === 'string'
      ? [[name.slice(metadataPrefix.length), utf8(value)]]
      : [],
  );
  return {
    key,
    size: said['x-goog-stored-content-length'],
    version: said['x-goog-generation'],
    modifiedMs: said['last-modified'],
    contentType: said['content-type'],
    metadata: withLowerNames(metadata),
    ...sumsOf(hashNamed('md5', said['x-goog-hash']), hashNamed('crc32c', said['x-goog-hash'])),
  };
}

/** `crc32c=BASE64,md5=BASE64`; spaces may be between. */
function hashNamed(name: 'md5' | 'crc32c', said: string): string | undefined {
  return said
    .split(/,\s*/)
    .find((hash) => hash.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

/** Node takes the bytes of a header for latin1; what others than Towline put there is UTF-8. */
function utf8(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}
