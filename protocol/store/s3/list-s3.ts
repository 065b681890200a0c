import type { IncomingMessage } from 'node:http';
import { TowError } from '../../base/errors.ts';
import { checkedBody } from '../checked-body.ts';
import type { ListOptions, ListPage, ObjectStat } from '../object-store.ts';
import { type ListText, noService, parseList } from './parse-list.ts';
import type { S3Provider } from './providers.ts';
import { versionOf } from './s3-bucket.ts';
import type { S3Wire } from './s3-wire.ts';

/** A thousand keys of a thousand bytes, encoded, come to a quarter of it. */
const pageBytes = 16 << 20;

/** One page of a listing, by whichever ListObjects the provider has. `name` is the bucket's in errors. */
export async function listS3(
  { wire, provider, name }: { readonly wire: S3Wire; readonly provider: S3Provider; readonly name: string },
  options: ListOptions,
  signal: AbortSignal,
): Promise<ListPage> {
  const { prefix, delimiter, cursor, limit } = options;
  const second = provider.listVersion === 2;
  const query: (readonly [string, string])[] = [['prefix', prefix]];
  if (second) query.push(['list-type', '2']);
  if (delimiter !== undefined) query.push(['delimiter', delimiter]);
  if (limit !== undefined) query.push(['max-keys', `${limit}`]);
  if (provider.encodesKeys) query.push(['encoding-type', 'url']);
  if (cursor !== undefined) query.push([second ? 'continuation-token' : 'marker', cursor]);
  const answer = await wire.send({ method: 'GET', query }, signal).catch((error: unknown) => {
    // A listing of nothing is empty, and of no bucket says so.
    throw error instanceof TowError && error.code === 'object-missing' ? noService('it has no such page') : error;
  });
  const page = parseList(await textOf(answer, name, signal));
  const objects = page.objects.map((object) => statOf(object, page.encoded));
  const prefixes = page.prefixes.map((text) => decoded(text, page.encoded));
  if (!page.truncated) return { objects, prefixes, next: undefined };
  // Without a delimiter version 1 names no marker: it is the last key.
  const marker = page.nextMarker === undefined ? objects.at(-1)?.key : decoded(page.nextMarker, page.encoded);
  const next = second ? page.nextToken : marker;
  if (next === undefined) throw new TowError('store-failed', `${name}: a listing that goes on does not say where`);
  return { objects, prefixes, next };
}

async function textOf(answer: IncomingMessage, name: string, signal: AbortSignal): Promise<string> {
  const length = answer.headers['content-length'];
  if (Number(length ?? 0) > pageBytes) {
    answer.destroy();
    throw new TowError('store-failed', `${name}: one page of a listing has ${length} bytes`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of checkedBody(answer, length === undefined ? undefined : Number(length), name, signal)) {
    bytes += chunk.byteLength;
    if (bytes > pageBytes)
      throw new TowError('store-failed', `${name}: one page of a listing has more than ${pageBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function statOf({ key, size, etag, modified }: ListText['objects'][number], encoded: boolean): ObjectStat {
  if (key === '' || etag === '' || !/^\d{1,15}$/.test(size))
    throw new TowError('store-failed', 'a listing has an object without a key, a size or an ETag');
  return {
    key: decoded(key, encoded),
    size: Number(size),
    version: versionOf(etag),
    // Whole seconds, which is all that a HEAD says.
    modifiedMs: Math.floor((Date.parse(modified) || 0) / 1000) * 1000,
  };
}

/** As S3 encodes keys for XML: of a query string. */
function decoded(text: string, encoded: boolean): string {
  if (!encoded || !/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw new TowError('store-failed', 'a listing has a key that is not encoded as it says', { cause: error });
  }
}
