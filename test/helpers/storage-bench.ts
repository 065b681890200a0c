import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiEvent } from '../../controller/api/event.ts';
import type { PrepareOptions } from '../../controller/buckets/storage/prepare-storage.ts';
import { type OpenStorage, Storages } from '../../controller/buckets/storage/storages.ts';
import type { Storage } from '../../controller/task/task.ts';
import { MemoryStore } from './memory-store.ts';

const never = new AbortController().signal;

/** Storages whose local buckets are in memory, in a home without credentials of any cloud. */
export class StorageBench implements Disposable {
  readonly home = realpathSync(mkdtempSync(join(tmpdir(), 'tow-storages-')));
  readonly directory = join(this.home, 'storages');
  readonly source = join(this.home, 'data');
  readonly buckets = new Map<string, MemoryStore>();
  readonly events: ApiEvent[] = [];
  storages: Storages;
  readonly #script = join(process.cwd(), 'dist', 'controller.mjs');
  readonly env: Record<string, string> = {
    HOME: this.home,
    AWS_EC2_METADATA_DISABLED: 'true',
    METADATA_SERVER_DETECTION: 'none',
  };

  constructor() {
    mkdirSync(this.source);
    writeFileSync(join(this.source, 'a'), 'a');
    this.storages = this.#open();
  }

  /** As after the controller died and was started again. */
  restart(): void {
    this.storages = this.#open();
  }

  #open(): Storages {
    return new Storages({
      directory: this.directory,
      script: this.#script,
      local: { get: (name) => this.bucket(name) },
    });
  }

  /** One that does not exist until somebody makes it. */
  bucket(name: string): MemoryStore {
    const known = this.buckets.get(name);
    if (known !== undefined) return known;
    const bucket = new MemoryStore({ versionIsMd5: false });
    bucket.exists = false;
    bucket.pageSize = 2;
    this.buckets.set(name, bucket);
    return bucket;
  }

  get request() {
    return { script: this.#script, env: this.env, home: this.home, credentials: 'forward' as const };
  }

  async open(storage: Partial<Storage>, mirror = false): Promise<OpenStorage> {
    const whole: Storage = {
      name: undefined,
      source: undefined,
      store: { kind: 'local', endpoint: undefined },
      mode: 'COPY',
      persistent: true,
      readOnly: false,
      credentials: undefined,
      fsync: 'node',
      ...storage,
    };
    const request = { storage: whole, access: this.request, xdgConfigHome: undefined, mirror };
    return await this.storages.open(request, never);
  }

  /** A storage called `data-1` with the source directory, made and filled. */
  async use(storage: Partial<Storage> = {}, options: Partial<PrepareOptions> = {}, signal = never): Promise<void> {
    const source = { type: 'directory' as const, path: this.source };
    const opened = await this.open({ name: 'data-1', source, ...storage });
    const emit = (event: ApiEvent): void => void this.events.push(event);
    const plain = { cluster: 'dev', root: '/mnt', verify: false, allowPartial: false, allowDelete: false, emit };
    await opened.prepare({ ...plain, ...options }, signal);
  }

  /** What people were told. */
  get notes(): string[] {
    return this.events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
  }

  async delete(name: string): Promise<number> {
    return await this.storages.delete(name, this.request, () => undefined, never);
  }

  /** Takes a cluster down; resolves with the storages that went, and those that could not. */
  async down(cluster: string, living: readonly string[] = []): Promise<string[]> {
    const done: string[] = [];
    const report = {
      deleted: ({ name }: { readonly name: string }, objects: number): void => void done.push(`${name}: ${objects}`),
      failed: ({ name }: { readonly name: string }): void => void done.push(`${name} stays`),
    };
    await this.storages.release(cluster, living, this.request, report, never);
    return done;
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
