import { Readable } from 'node:stream';
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { TowError } from '../../base/errors.ts';
import { checkedBody } from '../checked-body.ts';
import type {
  DeleteFailure,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectHead,
  ObjectStore,
  Upload,
  WriteOptions,
  Written,
} from '../object-store.ts';
import type { StoreTraits } from '../store-traits.ts';
import { listS3 } from './list-s3.ts';
import { copySource, guard, type S3Bucket, type S3Condition, versionOf } from './s3-bucket.ts';
import { s3Error } from './s3-error.ts';
import { S3Upload } from './s3-upload.ts';

/** A bucket of any service that speaks S3, through Amazon's own client. */
export class S3Store implements ObjectStore {
  readonly traits: StoreTraits;
  readonly #s3: S3Bucket;

  constructor(s3: S3Bucket) {
    this.#s3 = s3;
    this.traits = s3.provider.traits;
  }

  async bucketExists(signal: AbortSignal): Promise<boolean> {
    const { sdk, client, bucket } = this.#s3;
    try {
      await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
      return true;
    } catch (error) {
      const failure = this.#failure(error);
      // A HEAD has no body that could tell what is missing.
      if (failure.code === 'object-missing' || failure.code === 'bucket-missing') return false;
      throw failure;
    }
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    const { sdk, client, bucket } = this.#s3;
    try {
      // The SDK adds the region.
      await client.send(new sdk.CreateBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    } catch (error) {
      if (error instanceof Error && error.name === 'BucketAlreadyOwnedByYou') return;
      throw this.#failure(error);
    }
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    const { sdk, client, bucket } = this.#s3;
    try {
      await client.send(new sdk.DeleteBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    } catch (error) {
      const failure = this.#failure(error);
      if (failure.code !== 'bucket-missing') throw failure;
    }
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ListPage> {
    try {
      return await listS3(this.#s3, options, signal);
    } catch (error) {
      throw this.#failure(error, options.prefix);
    }
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    const { sdk, client, bucket } = this.#s3;
    try {
      const output = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), {
        abortSignal: signal,
      });
      return this.#headOf(key, output, output.ContentLength);
    } catch (error) {
      const failure = this.#failure(error, key);
      if (failure.code === 'object-missing') return undefined;
      throw failure;
    }
  }

  async get(key: string, { range, ifVersion }: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    const { sdk, client, bucket } = this.#s3;
    let output: GetObjectCommandOutput;
    try {
      output = await client.send(
        new sdk.GetObjectCommand({
          Bucket: bucket,
          Key: key,
          ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
          ...(ifVersion === undefined ? {} : { IfMatch: `"${ifVersion}"` }),
        }),
        { abortSignal: signal },
      );
    } catch (error) {
      if (error instanceof Error && error.name === 'InvalidRange') return await this.#nothingOf(key, ifVersion, signal);
      throw this.#failure(error, key);
    }
    const { Body: body, ContentLength: length, ContentRange: part } = output;
    const total = part === undefined ? length : Number(/\/(\d+)$/.exec(part)?.[1]);
    if (!(body instanceof Readable) || length === undefined)
      throw new TowError('store-failed', `${this.#name(key)}: the service gave no length`);
    const wanted = range === undefined ? length : Math.max(0, Math.min(range.end, total ?? 0) - range.start);
    return { head: this.#headOf(key, output, total), bytes: checkedBody(body, wanted, this.#name(key), signal) };
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal): Promise<Written> {
    const { sdk, client, bucket, provider } = this.#s3;
    try {
      const output = await client.send(
        new sdk.PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: bytes,
          ...guard(provider, bytes),
          ...describe(options),
          ...conditionOf(options),
        }),
        { abortSignal: signal },
      );
      return { key, size: bytes.byteLength, version: versionOf(output.ETag) };
    } catch (error) {
      throw this.#failure(error, key);
    }
  }

  async startUpload(key: string, options: WriteOptions, signal: AbortSignal): Promise<Upload> {
    const { sdk, client, bucket } = this.#s3;
    try {
      const { UploadId: id } = await client.send(
        new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ...describe(options) }),
        { abortSignal: signal },
      );
      if (id === undefined) throw new TowError('store-failed', `${this.#name(key)}: the service gave no upload id`);
      return new S3Upload(
        this.#s3,
        { key, id, condition: conditionOf(options) },
        (error) => this.#failure(error, key),
        (from, version, during) => this.#expectVersion(from, version, during),
      );
    } catch (error) {
      throw this.#failure(error, key);
    }
  }

  async copy(
    from: string,
    to: string,
    options: { readonly ifVersion?: string; readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'> },
    signal: AbortSignal,
  ): Promise<Written> {
    const { sdk, client, bucket, provider } = this.#s3;
    const { ifVersion, replace } = options;
    if (ifVersion !== undefined && !provider.checksCopySource) await this.#expectVersion(from, ifVersion, signal);
    try {
      const output = await client.send(
        new sdk.CopyObjectCommand({
          Bucket: bucket,
          Key: to,
          CopySource: copySource(bucket, from),
          ...(ifVersion === undefined ? {} : { CopySourceIfMatch: `"${ifVersion}"` }),
          ...(replace === undefined ? {} : { MetadataDirective: 'REPLACE', ...describe(replace) }),
        }),
        { abortSignal: signal },
      );
      // The reply has no size.
      const copied = await this.head(to, signal);
      if (copied === undefined || copied.version !== versionOf(output.CopyObjectResult?.ETag))
        throw new TowError('object-changed', `${this.#name(to)}: the object was replaced while it was copied`);
      return copied;
    } catch (error) {
      throw this.#failure(error, from);
    }
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    const { sdk, client, bucket } = this.#s3;
    try {
      await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal });
    } catch (error) {
      throw this.#failure(error, key);
    }
  }

  async deleteMany(keys: readonly string[], signal: AbortSignal): Promise<readonly DeleteFailure[]> {
    const { sdk, client, bucket } = this.#s3;
    if (keys.length === 0) return [];
    try {
      const { Errors: errors = [] } = await client.send(
        new sdk.DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Quiet: true, Objects: keys.map((key) => ({ Key: key })) },
        }),
        { abortSignal: signal },
      );
      return errors
        .filter(({ Code: code }) => code !== 'NoSuchKey')
        .map(({ Key: key = '', Message: message, Code: code }) => ({ key, message: message ?? code ?? 'refused' }));
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** A range that begins at the object's end or beyond it. */
  async #nothingOf(key: string, ifVersion: string | undefined, signal: AbortSignal): Promise<ObjectBody> {
    return { head: await this.#expectVersion(key, ifVersion, signal), bytes: Readable.from([]) };
  }

  async #expectVersion(key: string, version: string | undefined, signal: AbortSignal): Promise<ObjectHead> {
    const head = await this.head(key, signal);
    if (head === undefined) throw new TowError('object-missing', `${this.#name(key)}: there is no such object`);
    if (version !== undefined && head.version !== version)
      throw new TowError('object-changed', `${this.#name(key)}: the object was replaced meanwhile`);
    return head;
  }

  #headOf(
    key: string,
    output: Pick<
      HeadObjectCommandOutput,
      'ETag' | 'LastModified' | 'ContentType' | 'Metadata' | 'ServerSideEncryption' | 'SSECustomerAlgorithm'
    >,
    size: number | undefined,
  ): ObjectHead {
    if (size === undefined || !Number.isSafeInteger(size))
      throw new TowError('store-failed', `${this.#name(key)}: the service gave no size`);
    const version = versionOf(output.ETag);
    // Encrypted with keys of the customer's, an object has an ETag that looks like an MD5 and is none.
    const { ServerSideEncryption: encryption, SSECustomerAlgorithm: customer } = output;
    const isMd5 = this.traits.versionIsMd5 && customer === undefined && !(encryption ?? '').startsWith('aws:kms');
    return {
      key,
      size,
      version,
      modifiedMs: output.LastModified?.getTime() ?? 0,
      contentType: output.ContentType,
      metadata: output.Metadata ?? {},
      md5: isMd5 && /^[0-9a-f]{32}$/.test(version) ? version : undefined,
    };
  }

  #name(key?: string): string {
    return `${this.#s3.provider.scheme}://${this.#s3.bucket}${key === undefined || key === '' ? '' : `/${key}`}`;
  }

  #failure(error: unknown, key?: string): TowError {
    return s3Error(error, this.#name(key));
  }
}

function describe({ contentType, metadata }: Pick<WriteOptions, 'contentType' | 'metadata'>) {
  return {
    ...(contentType === undefined ? {} : { ContentType: contentType }),
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
  };
}

function conditionOf({ condition }: WriteOptions): S3Condition {
  if (condition === undefined) return {};
  return condition.type === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: `"${condition.version}"` };
}
