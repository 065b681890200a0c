import type { CommonPrefix, _Object as S3Object } from '@aws-sdk/client-s3';
import { TowError } from '../../base/errors.ts';
import type { ListOptions, ListPage, ObjectStat } from '../object-store.ts';
import { type S3Bucket, versionOf } from './s3-bucket.ts';

/** One page of a listing, by whichever ListObjects the provider has. */
export async function listS3(s3: S3Bucket, options: ListOptions, signal: AbortSignal): Promise<ListPage> {
  const { sdk, client, bucket, provider } = s3;
  const { prefix, delimiter, cursor, limit } = options;
  const asked = {
    Bucket: bucket,
    Prefix: prefix,
    ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
    ...(limit === undefined ? {} : { MaxKeys: limit }),
    ...(provider.encodesKeys ? { EncodingType: 'url' as const } : {}),
  };
  if (provider.listVersion === 2) {
    const page = await client.send(
      new sdk.ListObjectsV2Command({ ...asked, ...(cursor === undefined ? {} : { ContinuationToken: cursor }) }),
      { abortSignal: signal },
    );
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (page.IsTruncated === true && next === undefined) throw endless(bucket);
    return pageOf(page.Contents, page.CommonPrefixes, page.EncodingType === 'url', next);
  }
  const page = await client.send(
    new sdk.ListObjectsCommand({ ...asked, ...(cursor === undefined ? {} : { Marker: cursor }) }),
    { abortSignal: signal },
  );
  const encoded = page.EncodingType === 'url';
  const { objects, prefixes } = pageOf(page.Contents, page.CommonPrefixes, encoded, undefined);
  if (page.IsTruncated !== true) return { objects, prefixes, next: undefined };
  // Without a delimiter version 1 names no marker: it is the last key.
  const marker = page.NextMarker === undefined ? objects.at(-1)?.key : decoded(page.NextMarker, encoded);
  if (marker === undefined) throw endless(bucket);
  return { objects, prefixes, next: marker };
}

function endless(bucket: string): TowError {
  return new TowError('store-failed', `${bucket}: a listing that goes on does not say where`);
}

function pageOf(
  contents: readonly S3Object[] = [],
  common: readonly CommonPrefix[] = [],
  encoded: boolean,
  next: string | undefined,
): ListPage {
  return {
    objects: contents.map((object) => statOf(object, encoded)),
    prefixes: common.map(({ Prefix: prefix = '' }) => decoded(prefix, encoded)),
    next,
  };
}

function statOf({ Key: key, Size: size, ETag: etag, LastModified: modified }: S3Object, encoded: boolean): ObjectStat {
  if (key === undefined || size === undefined || !Number.isSafeInteger(size) || size < 0)
    throw new TowError('store-failed', 'a listing has an object without a key or a size');
  // Whole seconds, which is all that a HEAD says.
  const modifiedMs = Math.floor((modified?.getTime() ?? 0) / 1000) * 1000;
  return { key: decoded(key, encoded), size, version: versionOf(etag), modifiedMs };
}

/** As S3 encodes keys for XML: of a query string. */
function decoded(text: string, encoded: boolean): string {
  if (!encoded) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw new TowError('store-failed', 'a listing has a key that is not encoded as it says', { cause: error });
  }
}
