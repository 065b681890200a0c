import { TowError } from '../../base/errors.ts';
import type { Upload, Written } from '../object-store.ts';
import { copySource, guard, type S3Bucket, type S3Condition, versionOf } from './s3-bucket.ts';

/** Rejects with `object-changed` when an object has another version. */
type ExpectVersion = (key: string, version: string, signal: AbortSignal) => Promise<unknown>;

/** A multipart upload. */
export class S3Upload implements Upload {
  readonly #s3: S3Bucket;
  readonly #key: string;
  readonly #id: string;
  readonly #condition: S3Condition;
  readonly #failure: (error: unknown) => TowError;
  readonly #expect: ExpectVersion;
  readonly #parts = new Map<number, { readonly etag: string; readonly size: number }>();

  constructor(
    s3: S3Bucket,
    upload: { readonly key: string; readonly id: string; readonly condition: S3Condition },
    failure: (error: unknown) => TowError,
    expect: ExpectVersion,
  ) {
    this.#s3 = s3;
    this.#key = upload.key;
    this.#id = upload.id;
    this.#condition = upload.condition;
    this.#failure = failure;
    this.#expect = expect;
  }

  async part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const { sdk, client, provider } = this.#s3;
    try {
      const { ETag: etag } = await client.send(
        new sdk.UploadPartCommand({ ...this.#of(number), Body: bytes, ...guard(provider, bytes) }),
        { abortSignal: signal },
      );
      this.#parts.set(number, { etag: versionOf(etag), size: bytes.byteLength });
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async copyPart(
    number: number,
    from: string,
    range: { readonly start: number; readonly end: number },
    ifVersion: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { sdk, client, bucket, provider } = this.#s3;
    if (!provider.checksCopySource) await this.#expect(from, ifVersion, signal);
    try {
      const { CopyPartResult: result } = await client.send(
        new sdk.UploadPartCopyCommand({
          ...this.#of(number),
          CopySource: copySource(bucket, from),
          CopySourceRange: `bytes=${range.start}-${range.end - 1}`,
          CopySourceIfMatch: `"${ifVersion}"`,
        }),
        { abortSignal: signal },
      );
      this.#parts.set(number, { etag: versionOf(result?.ETag), size: range.end - range.start });
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async complete(signal: AbortSignal): Promise<Written> {
    const { sdk, client, bucket } = this.#s3;
    const parts = [...this.#parts].sort(([a], [b]) => a - b);
    if (parts.length === 0) throw new TowError('internal', `${this.#key}: an upload without parts`);
    try {
      const { ETag: etag } = await client.send(
        new sdk.CompleteMultipartUploadCommand({
          Bucket: bucket,
          Key: this.#key,
          UploadId: this.#id,
          MultipartUpload: {
            Parts: parts.map(([number, { etag: tag }]) => ({ PartNumber: number, ETag: `"${tag}"` })),
          },
          ...this.#condition,
        }),
        { abortSignal: signal },
      );
      const size = parts.reduce((sum, [, part]) => sum + part.size, 0);
      const version = versionOf(etag);
      if (version !== '') return { key: this.#key, size, version };
      // Ceph's gateway leaves it out here.
      return await this.#look(size, signal);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async #look(size: number, signal: AbortSignal): Promise<Written> {
    const { sdk, client, bucket } = this.#s3;
    const head = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: this.#key }), {
      abortSignal: signal,
    });
    if (head.ContentLength !== size)
      throw new TowError('object-changed', `${this.#key}: the object was replaced as soon as it was written`);
    return { key: this.#key, size, version: versionOf(head.ETag) };
  }

  async abort(): Promise<void> {
    const { sdk, client, bucket } = this.#s3;
    const command = new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: this.#key, UploadId: this.#id });
    await client.send(command).catch(() => undefined);
  }

  #of(number: number) {
    return { Bucket: this.#s3.bucket, Key: this.#key, UploadId: this.#id, PartNumber: number };
  }
}
