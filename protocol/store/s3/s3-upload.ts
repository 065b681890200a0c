import { TowError } from '../../base/errors.ts';
import type { Upload, Written } from '../object-store.ts';
import { expectVersion, headS3, type S3Reading } from './read-s3.ts';
import { copySource, type S3Bucket, type S3Condition, versionOf, write } from './s3-bucket.ts';
import type { LoadedClient } from './s3-client.ts';
import { putPartS3 } from './write-s3.ts';

/** A multipart upload. */
export class S3Upload implements Upload {
  readonly #s3: S3Bucket;
  readonly #reading: S3Reading;
  readonly #key: string;
  readonly #id: string;
  readonly #condition: S3Condition;
  readonly #parts = new Map<number, { readonly etag: string; readonly size: number }>();

  constructor(
    s3: S3Bucket,
    reading: S3Reading,
    upload: { readonly key: string; readonly id: string; readonly condition: S3Condition },
  ) {
    this.#s3 = s3;
    this.#reading = reading;
    this.#key = upload.key;
    this.#id = upload.id;
    this.#condition = upload.condition;
  }

  async part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const etag = await putPartS3(this.#s3.wire, { key: this.#key, id: this.#id, number }, bytes, signal);
    this.#parts.set(number, { etag, size: bytes.byteLength });
  }

  async copyPart(
    number: number,
    from: string,
    range: { readonly start: number; readonly end: number },
    ifVersion: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { bucket, provider } = this.#s3;
    if (!provider.checksCopySource) await expectVersion(this.#reading, from, ifVersion, signal);
    const { CopyPartResult: result } = await this.#write(({ sdk, client }) =>
      client.send(
        new sdk.UploadPartCopyCommand({
          ...this.#of(number),
          CopySource: copySource(bucket, from),
          CopySourceRange: `bytes=${range.start}-${range.end - 1}`,
          CopySourceIfMatch: `"${ifVersion}"`,
        }),
        { abortSignal: signal },
      ),
    );
    this.#parts.set(number, { etag: versionOf(result?.ETag), size: range.end - range.start });
  }

  async complete(signal: AbortSignal): Promise<Written> {
    const { bucket } = this.#s3;
    const parts = [...this.#parts].sort(([a], [b]) => a - b);
    if (parts.length === 0) throw new TowError('internal', `${this.#key}: an upload without parts`);
    const { ETag: etag } = await this.#write(({ sdk, client }) =>
      client.send(
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
      ),
    );
    const size = parts.reduce((sum, [, part]) => sum + part.size, 0);
    const version = versionOf(etag);
    if (version !== '') return { key: this.#key, size, version };
    // Ceph's gateway leaves it out here.
    const head = await headS3(this.#reading, this.#key, signal);
    if (head?.size !== size)
      throw new TowError('object-changed', `${this.#key}: the object was replaced as soon as it was written`);
    return head;
  }

  async abort(): Promise<void> {
    const { bucket } = this.#s3;
    const upload = { Bucket: bucket, Key: this.#key, UploadId: this.#id };
    await this.#write(({ sdk, client }) => client.send(new sdk.AbortMultipartUploadCommand(upload))).catch(
      () => undefined,
    );
  }

  async #write<T>(send: (loaded: LoadedClient) => Promise<T>): Promise<T> {
    return await write(this.#s3, this.#reading.name(this.#key), send);
  }

  #of(number: number) {
    return { Bucket: this.#s3.bucket, Key: this.#key, UploadId: this.#id, PartNumber: number };
  }
}
