/** What the controller remembers of a storage: `controller/storages/NAME.json`, 0600, beside `NAME.index` (upload/upload-index.ts). */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { TowError } from '../../../protocol/base/errors.ts';
import { readIfThere, writeDurably } from '../../cluster/cluster-state.ts';
import { storeKinds } from '../../task/task.ts';

export const storageStates = ['INIT', 'READY', 'UPLOAD_FAILED'] as const;

const recordSchema = v.object({
  version: v.literal(1),
  /** Of the bucket too. */
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][-a-z0-9._]*$/)),
  store: v.picklist(storeKinds),
  /** Undefined: the service's own. */
  endpoint: v.optional(v.string()),
  region: v.optional(v.string()),
  /** Whether Towline made the bucket. What it did not make it never deletes. */
  made: v.boolean(),
  /** INIT: it is being made, or was when the controller died. */
  state: v.picklist(storageStates),
  /** Whether it outlives the clusters that use it. */
  persistent: v.boolean(),
  /** Names of the clusters that use it. */
  clusters: v.array(v.string()),
  /** What the last upload had for it. */
  uploaded: v.optional(v.object({ objects: v.number(), bytes: v.number() })),
  /** Milliseconds since 1970. */
  createdAt: v.number(),
});
export type StorageRecord = v.InferOutput<typeof recordSchema>;

export class StorageRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** By name. Rejects with `io` on a file that cannot be understood: it says which buckets are ours. */
  async all(): Promise<StorageRecord[]> {
    await this.makeDirectory();
    const names = (await readdir(this.#directory)).filter((file) => file.endsWith('.json')).sort();
    const records = await Promise.all(names.map((file) => this.get(file.slice(0, -'.json'.length))));
    return records.filter((record) => record !== undefined);
  }

  async get(name: string): Promise<StorageRecord | undefined> {
    const path = this.#file(name);
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    try {
      return v.parse(recordSchema, JSON.parse(text));
    } catch (error) {
      throw new TowError('io', `${path} is not a storage this build understands`, {
        cause: error,
        hint: `move ${path} away: tow then takes the bucket for one that it did not make`,
      });
    }
  }

  async save(record: StorageRecord): Promise<void> {
    await this.makeDirectory();
    await writeDurably(this.#file(record.name), `${JSON.stringify(record, null, 1)}\n`);
  }

  async remove(name: string): Promise<void> {
    await this.removeIndex(name);
    await rm(this.#file(name), { force: true });
  }

  async removeIndex(name: string): Promise<void> {
    await rm(this.indexFile(name), { force: true });
  }

  indexFile(name: string): string {
    return join(this.#directory, `${name}.index`);
  }

  async makeDirectory(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
  }

  #file(name: string): string {
    return join(this.#directory, `${name}.json`);
  }
}
