import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type UploadOptions, type UploadResult, upload } from '../../controller/buckets/upload/upload.ts';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { MemoryStore } from './memory-store.ts';
import { outlastClockGrain } from './outlast-clock-grain.ts';

/** A directory to upload from and a bucket to upload to. */
export class UploadBench implements Disposable {
  readonly top = realpathSync(mkdtempSync(join(tmpdir(), 'tow-upload-')));
  readonly root = join(this.top, 'data');
  readonly indexFile = join(this.top, 'index');
  readonly store: MemoryStore;

  #last = '';

  constructor(store: MemoryStore = new MemoryStore()) {
    this.store = store;
    // So that all that lists has more than one page.
    store.pageSize = 2;
    mkdirSync(this.root);
  }

  write(path: string, content: string | Buffer): string {
    const where = join(this.root, path);
    mkdirSync(dirname(where), { recursive: true });
    writeFileSync(where, content);
    this.#last = where;
    return where;
  }

  /** Returns once what was written last is old enough to be known by its times. */
  settle(): void {
    outlastClockGrain(this.#last);
  }

  async run(options: Partial<UploadOptions> = {}, signal = new AbortController().signal): Promise<UploadResult> {
    this.store.calls.length = 0;
    return await upload(
      this.store,
      {
        sources: [{ root: bytesOf(this.root), name: '' }],
        place: 'memory',
        indexFile: this.indexFile,
        home: this.top,
        xdgConfigHome: undefined,
        mirror: false,
        verify: false,
        allowPartial: false,
        allowDelete: false,
        cancel: new Int32Array(new SharedArrayBuffer(4)),
        ...options,
      },
      () => undefined,
      signal,
    );
  }

  /** Calls that write, of the last run. */
  get writes(): string[] {
    const reads = new Set(['head', 'list', 'get']);
    return this.store.calls.flatMap(({ method, text }) => (reads.has(method) ? [] : [text])).sort();
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}
