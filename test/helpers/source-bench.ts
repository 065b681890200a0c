import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { WorkerPool } from '../../protocol/base/worker-pool.ts';
import { nativeFile } from '../../protocol/libc/libc.ts';
import { Source, type SourceOptions } from '../../protocol/pull/source/source.ts';
import type { SourceTasks } from '../../protocol/pull/source/tasks.ts';

/** A directory to make a source of, and the threads to scan it with. */
export class SourceBench implements AsyncDisposable {
  readonly top: string;
  /** An empty directory. */
  readonly root: string;
  readonly pool: WorkerPool<SourceTasks>;
  readonly #sources: Source[] = [];

  private constructor(top: string) {
    this.top = top;
    this.root = join(top, 'root');
    this.pool = new WorkerPool(join(top, 'worker.mjs'), 'source', 2);
  }

  static async make(): Promise<SourceBench> {
    const bench = new SourceBench(mkdtempSync(join(tmpdir(), 'towline-source-')));
    const worker = fileURLToPath(new URL('../../protocol/pull/source/worker.ts', import.meta.url));
    await build({
      stdin: {
        contents: `import { serveSourceWorker } from ${JSON.stringify(worker)}; serveSourceWorker();`,
        resolveDir: '/',
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20.19',
      outfile: join(bench.top, 'worker.mjs'),
      logLevel: 'error',
    });
    const native = nativeFile();
    if (native !== undefined) copyFileSync(native, join(bench.top, 'koffi.node'));
    return bench;
  }

  async open(options: Partial<SourceOptions> = {}): Promise<Source> {
    const source = Source.open({
      root: bytesOf(this.root),
      indexFile: join(this.top, 'state', 'index'),
      sendGit: true,
      home: join(this.top, 'home'),
      xdgConfigHome: undefined,
      pool: this.pool,
      ...options,
    });
    this.#sources.push(source);
    return source;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const source of this.#sources) await source.close();
    await this.pool.close();
    rmSync(this.top, { recursive: true, force: true });
  }
}
