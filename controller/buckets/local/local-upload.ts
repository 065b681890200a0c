import { randomBytes } from 'node:crypto';
import { TowError } from '../../../protocol/base/errors.ts';
import type { ObjectStat, Upload, WriteOptions } from '../../../protocol/store/object-store.ts';
import type { Bucket } from './bucket.ts';
import type { ByteKey } from './bucket-key.ts';
import { byteKeyOf } from './bucket-key.ts';
import { statOfEntry } from './entry-stat.ts';
import { openObject, type Range, readObject } from './read-object.ts';
import { stageFile } from './staged-file.ts';
import { storeError } from './store-error.ts';
import { UploadParts } from './upload-parts.ts';

/** An upload nobody has touched for so long is given up. */
export const uploadLifeMs = 24 * 3600 * 1000;

/** An object that is written in parts, which lie in the bucket's `uploads/` and are lost when the controller ends. */
export class LocalUpload implements Upload {
  readonly #bucket: Bucket;
  readonly #key: ByteKey;
  readonly #options: WriteOptions;
  readonly #parts: UploadParts;
  readonly #onOver: () => void;
  #over = false;
  readonly id: string;
  touchedAt = Date.now();

  private constructor(
    id: string,
    bucket: Bucket,
    key: ByteKey,
    options: WriteOptions,
    parts: UploadParts,
    onOver: (upload: LocalUpload) => void,
  ) {
    this.id = id;
    this.#bucket = bucket;
    this.#key = key;
    this.#options = options;
    this.#parts = parts;
    this.#onOver = () => onOver(this);
  }

  static async open(
    bucket: Bucket,
    key: ByteKey,
    options: WriteOptions,
    onOver: (upload: LocalUpload) => void,
  ): Promise<LocalUpload> {
    const id = randomBytes(12).toString('hex');
    const parts = await UploadParts.open(`${bucket.files.uploads}/${id}`);
    return new LocalUpload(id, bucket, key, options, parts, onOver);
  }

  async part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.piece(number, bytes.length, 0, bytes, signal);
  }

  /** A piece of a part of `size` bytes. */
  async piece(number: number, size: number, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    this.#touch();
    await this.#do(`part ${number}`, async () => await this.#parts.write(number, size, offset, bytes, signal));
  }

  async copyPart(number: number, from: string, range: Range, ifVersion: string, signal: AbortSignal): Promise<void> {
    this.#touch();
    await this.#do(`part ${number}`, async () => {
      const key = byteKeyOf(from);
      const source = key === undefined ? undefined : await openObject(this.#bucket, key);
      if (source === undefined) throw new TowError('object-missing', `there is no object ${from}`);
      const { entry, file } = source;
      if (entry.version !== ifVersion || range.end > entry.size) {
        await file.close();
        throw entry.version === ifVersion
          ? new TowError('store-failed', `${from} has ${entry.size} bytes, none at ${range.end}`)
          : new TowError('object-changed', `${from} is another version by now`);
      }
      const size = range.end - range.start;
      let at = 0;
      for await (const bytes of readObject(entry, file, range, signal)) {
        await this.#parts.write(number, size, at, bytes, signal);
        at += bytes.length;
      }
    });
  }

  /** Whatever comes of it, the upload is over. */
  async complete(signal: AbortSignal): Promise<ObjectStat> {
    this.#touch();
    this.#over = true;
    try {
      return await this.#do('an upload', async () => {
        const metadata = this.#options.metadata ?? {};
        const file = await this.#parts.join(signal);
        const staged = await stageFile(this.#bucket.files, file, this.#parts.path, metadata);
        const made = { contentType: this.#options.contentType, metadata };
        return statOfEntry(await this.#bucket.write(this.#key, staged, made, this.#options.condition, signal));
      });
    } finally {
      await this.#end();
    }
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await this.#end().catch(() => undefined);
  }

  async #end(): Promise<void> {
    this.#onOver();
    await this.#parts.remove();
  }

  #touch(): void {
    if (this.#over) throw new TowError('store-failed', 'the upload is over');
    this.touchedAt = Date.now();
  }

  async #do<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeError(error, doing);
    }
  }
}
