import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkerPool } from '../../protocol/base/worker-pool.ts';
import { Source } from '../../protocol/pull/source/source.ts';
import type { SourceTasks } from '../../protocol/pull/source/tasks.ts';

export interface SourceRequest {
  /** Absolute, latin1-held. */
  readonly root: string;
  readonly sendGit: boolean;
  /** For git's own configuration: of the request, never the daemon's. */
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
}

/**
 * The sources that this daemon has scanned, kept so that the next scan reads only what changed. Their indexes lie in
 * `controller/index`.
 */
export class SourceStore implements AsyncDisposable {
  readonly #pool: WorkerPool<SourceTasks>;
  readonly #directory: string;
  readonly #sources = new Map<string, Promise<Source>>();

  /** Threads that serve the role 'source', and go with the store. */
  constructor(options: { readonly pool: WorkerPool<SourceTasks>; readonly directory: string }) {
    this.#pool = options.pool;
    this.#directory = options.directory;
  }

  async open(request: SourceRequest): Promise<Source> {
    const key = createHash('sha256')
      .update(JSON.stringify([request.root, request.sendGit, request.home, request.xdgConfigHome ?? '']))
      .digest('hex')
      .slice(0, 24);
    const known = this.#sources.get(key);
    if (known !== undefined) return await known;
    // They start while the index is read.
    this.#pool.warm();
    const opening = mkdir(this.#directory, { recursive: true, mode: 0o700 }).then(() =>
      Source.open({ ...request, indexFile: join(this.#directory, key), pool: this.#pool }),
    );
    this.#sources.set(key, opening);
    try {
      return await opening;
    } catch (error) {
      this.#sources.delete(key);
      throw error;
    }
  }

  /** Waits for indexes being written, then ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    const sources = await Promise.allSettled(this.#sources.values());
    for (const source of sources) if (source.status === 'fulfilled') await source.value.close();
    await this.#pool.close();
  }
}
