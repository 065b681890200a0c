/** A node with a home, a bucket in memory, and copies of it to `~/data`. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CopyOptions, type CopyResult, copyRoot } from '../../agent/copy/copy-root.ts';
import { bytesOf } from '../../protocol/base/root-path.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import type { PullEvent } from '../../protocol/wire/pull.ts';
import { MemoryStore } from './memory-store.ts';

export class CopyBench implements Disposable {
  readonly home: string;
  readonly store: MemoryStore;
  readonly events: PullEvent[] = [];

  constructor(store = new MemoryStore(), above = tmpdir()) {
    this.home = realpathSync(mkdtempSync(join(above, 'copy-')));
    this.store = store;
  }

  /** Where the copy goes. */
  get data(): string {
    return join(this.home, 'data');
  }

  get conflicts(): string {
    return join(this.home, 'conflicts');
  }

  at(path: string): string {
    return join(this.data, path);
  }

  options(options: Partial<CopyOptions> = {}): CopyOptions {
    mkdirSync(this.conflicts, { recursive: true });
    return {
      dest: '~/data',
      key: 'k',
      stateDir: join(this.home, 'state'),
      conflictsDir: this.conflicts,
      rules: { home: bytesOf(this.home), reach: 'machine' },
      rootDir: join(this.home, 'roots', 'k'),
      otherRoots: [],
      source: 'memory',
      prefix: '',
      mayBeEmpty: false,
      allowDelete: false,
      verify: false,
      ...options,
    };
  }

  async run(options: Partial<CopyOptions> = {}, store: ObjectStore = this.store, first = store): Promise<CopyResult> {
    const { signal } = new AbortController();
    return await copyRoot({ bucket: store, first }, this.options(options), (event) => this.events.push(event), signal);
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
