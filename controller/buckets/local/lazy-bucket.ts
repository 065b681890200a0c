import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import { type BeforeStep, Bucket } from './bucket.ts';
import { BucketFiles } from './bucket-files.ts';

export interface LazyBucketOptions {
  /** `~/.towline/buckets/NAME`. */
  readonly directory: string;
  readonly log: (line: string) => void;
  /** For tests: called before each step of what changes the disk. */
  readonly before?: BeforeStep;
}

/** A bucket that is opened when it is first used, once it is there. */
export class LazyBucket {
  readonly #options: LazyBucketOptions;
  #opening: Promise<Bucket> | undefined;
  #ended = false;

  constructor(options: LazyBucketOptions) {
    this.#options = options;
  }

  /** Rejects with `bucket-missing`. */
  async get(): Promise<Bucket> {
    if (this.#ended) throw new TowError('bucket-missing', 'the bucket was closed');
    const opening = this.#opening ?? this.#open();
    this.#opening = opening;
    try {
      return await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  /** What was promised is on the disk; the next `get` opens it again. */
  async close(): Promise<void> {
    const opened = this.#opening;
    this.#opening = undefined;
    await (await opened?.catch(() => undefined))?.close();
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.close();
  }

  async #open(): Promise<Bucket> {
    const { directory, log, before } = this.#options;
    let files: BucketFiles;
    try {
      files = await BucketFiles.open(directory);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw new TowError('bucket-missing', `there is no bucket at ${directory}`);
      throw error;
    }
    return await Bucket.open(files, log, before ?? (async () => undefined));
  }
}
