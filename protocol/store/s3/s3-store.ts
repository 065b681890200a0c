import { TowError } from '../../base/errors.ts';
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
import { expectVersion, getS3, headS3, type S3Reading } from './read-s3.ts';
import { copySource, type S3Bucket, type S3Condition, versionOf, write } from './s3-bucket.ts';
import type { LoadedClient } from './s3-client.ts';
import { S3Upload } from './s3-upload.ts';
import { putS3 } from './write-s3.ts';

/** A bucket of any service that speaks S3: bytes come and go with our own requests, the rest through Amazon's own client. */
export class S3Store implements ObjectStore {
  readonly traits: StoreTraits;
  readonly #s3: S3Bucket;
  readonly #reading: S3Reading;

  constructor(s3: S3Bucket) {
    this.#s3 = s3;
    this.traits = s3.provider.traits;
    this.#reading = {
      wire: s3.wire,
      versionIsMd5: this.traits.versionIsMd5,
      name: (key) => this.#name(key),
    };
  }

  async bucketExists(signal: AbortSignal): Promise<boolean> {
    try {
      (await this.#s3.wire.send({ method: 'HEAD' }, signal)).resume();
      return true;
    } catch (error) {
      // A HEAD has no body that could tell what is missing.
      if (error instanceof TowError && (error.code === 'object-missing' || error.code === 'bucket-missing'))
        return false;
      throw error;
    }
  }

  async createBucket(signal: AbortSignal): Promise<void> {
    const { bucket } = this.#s3;
    await this.#write(undefined, async ({ sdk, client }) => {
      try {
        // The SDK adds the region.
        await client.send(new sdk.CreateBucketCommand({ Bucket: bucket }), { abortSignal: signal });
      } catch (error) {
        if (!(error instanceof Error && error.name === 'BucketAlreadyOwnedByYou')) throw error;
      }
    });
  }

  async deleteBucket(signal: AbortSignal): Promise<void> {
    const { bucket } = this.#s3;
    try {
      await this.#write(undefined, ({ sdk, client }) =>
        client.send(new sdk.DeleteBucketCommand({ Bucket: bucket }), { abortSignal: signal }),
      );
    } catch (error) {
      if (!(error instanceof TowError) || error.code !== 'bucket-missing') throw error;
    }
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ListPage> {
    const { wire, provider } = this.#s3;
    return await listS3({ wire, provider, name: this.#name(options.prefix) }, options, signal);
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined> {
    return await headS3(this.#reading, key, signal);
  }

  async get(key: string, options: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    return await getS3(this.#reading, key, options, signal);
  }

  async put(key: string, bytes: Uint8Array, options: WriteOptions, signal: AbortSignal): Promise<Written> {
    return await putS3(this.#s3.wire, key, bytes, options, signal);
  }

  async startUpload(key: string, options: WriteOptions, signal: AbortSignal): Promise<Upload> {
    const { bucket } = this.#s3;
    const { UploadId: id } = await this.#write(key, ({ sdk, client }) =>
      client.send(new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ...describe(options) }), {
        abortSignal: signal,
      }),
    );
    if (id === undefined) throw new TowError('store-failed', `${this.#name(key)}: the service gave no upload id`);
    return new S3Upload(this.#s3, this.#reading, { key, id, condition: conditionOf(options) });
  }

  async copy(
    from: string,
    to: string,
    options: { readonly ifVersion?: string; readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'> },
    signal: AbortSignal,
  ): Promise<Written> {
    const { bucket, provider } = this.#s3;
    const { ifVersion, replace } = options;
    if (ifVersion !== undefined && !provider.checksCopySource)
      await expectVersion(this.#reading, from, ifVersion, signal);
    const output = await this.#write(from, ({ sdk, client }) =>
      client.send(
        new sdk.CopyObjectCommand({
          Bucket: bucket,
          Key: to,
          CopySource: copySource(bucket, from),
          ...(ifVersion === undefined ? {} : { CopySourceIfMatch: `"${ifVersion}"` }),
          ...(replace === undefined ? {} : { MetadataDirective: 'REPLACE', ...describe(replace) }),
        }),
        { abortSignal: signal },
      ),
    );
    // The reply has no size.
    const copied = await this.head(to, signal);
    if (copied === undefined || copied.version !== versionOf(output.CopyObjectResult?.ETag))
      throw new TowError('object-changed', `${this.#name(to)}: the object was replaced while it was copied`);
    return copied;
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    const { bucket } = this.#s3;
    await this.#write(key, ({ sdk, client }) =>
      client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal }),
    );
  }

  async deleteMany(keys: readonly string[], signal: AbortSignal): Promise<readonly DeleteFailure[]> {
    const { bucket } = this.#s3;
    if (keys.length === 0) return [];
    const { Errors: errors = [] } = await this.#write(undefined, ({ sdk, client }) =>
      client.send(
        new sdk.DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Quiet: true, Objects: keys.map((key) => ({ Key: key })) },
        }),
        { abortSignal: signal },
      ),
    );
    return errors
      .filter(({ Code: code }) => code !== 'NoSuchKey')
      .map(({ Key: key = '', Message: message, Code: code }) => ({ key, message: message ?? code ?? 'refused' }));
  }

  #name(key?: string): string {
    return `${this.#s3.provider.scheme}://${this.#s3.bucket}${key === undefined || key === '' ? '' : `/${key}`}`;
  }

  async #write<T>(key: string | undefined, send: (loaded: LoadedClient) => Promise<T>): Promise<T> {
    return await write(this.#s3, this.#name(key), send);
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
