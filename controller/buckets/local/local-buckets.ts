/** The buckets under this controller: `~/.towline/buckets/NAME`, and one store for each. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TowError } from '../../../protocol/base/errors.ts';
import { bucketNameProblem } from '../../task/bucket-uri.ts';
import { type BucketSummary, deletedPrefix, LocalStore } from './local-store.ts';

export interface NamedBucket extends BucketSummary {
  readonly name: string;
}

export class LocalBuckets implements AsyncDisposable {
  readonly #directory: string;
  readonly #log: (line: string) => void;
  readonly #stores = new Map<string, LocalStore>();
  /** Of what was being deleted when the controller ended. Never rejects. */
  readonly #sweeping: Promise<void>;

  private constructor(directory: string, log: (line: string) => void, left: readonly string[]) {
    this.#directory = directory;
    this.#log = log;
    this.#sweeping = this.#sweep(left);
  }

  /** `directory` is made if it is missing. */
  static async open(options: {
    readonly directory: string;
    readonly log: (line: string) => void;
  }): Promise<LocalBuckets> {
    const { directory, log } = options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const left = (await readdir(directory)).filter((name) => name.startsWith(deletedPrefix));
    return new LocalBuckets(directory, log, left);
  }

  /** The store of a bucket, which need not exist. Throws `bucket-missing` for what is no bucket's name. */
  get(name: string): LocalStore {
    const problem = bucketNameProblem(name, 'local');
    if (problem !== undefined) throw new TowError('bucket-missing', problem.message, { hint: problem.hint });
    const known = this.#stores.get(name);
    if (known !== undefined) return known;
    const store = new LocalStore({ directory: join(this.#directory, name), log: this.#log });
    this.#stores.set(name, store);
    return store;
  }

  /** Makes a bucket; one that is there is no error. */
  async create(name: string, signal: AbortSignal): Promise<LocalStore> {
    const store = this.get(name);
    await store.createBucket(signal);
    return store;
  }

  /** Removes a bucket with all that is in it. Rejects with `bucket-missing`. */
  async delete(name: string, signal: AbortSignal): Promise<void> {
    const store = this.get(name);
    if (!(await store.bucketExists(signal))) throw new TowError('bucket-missing', `there is no local bucket ${name}`);
    await store.destroy();
  }

  /** By name. */
  async names(): Promise<string[]> {
    const entries = await readdir(this.#directory, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && bucketNameProblem(entry.name, 'local') === undefined)
      .map(({ name }) => name)
      .sort();
  }

  /** Every bucket with what is in it; looks at every file. */
  async list(signal: AbortSignal): Promise<NamedBucket[]> {
    const buckets: NamedBucket[] = [];
    for (const name of await this.names()) buckets.push({ name, ...(await this.get(name).summary(signal)) });
    return buckets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#stores.values()].map((store) => store[Symbol.asyncDispose]()));
    await this.#sweeping;
  }

  async #sweep(left: readonly string[]): Promise<void> {
    for (const name of left) {
      await rm(join(this.#directory, name), { recursive: true, force: true }).catch((error: unknown) =>
        this.#log(`${name} cannot be removed: ${error instanceof Error ? error.message : String(error)}`),
      );
    }
  }
}
