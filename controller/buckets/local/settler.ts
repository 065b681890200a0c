import type { ByteKey } from './bucket-key.ts';
import { SharedRun } from './shared-run.ts';
import { syncDirectories } from './sync-directory.ts';

/** How long names may be in memory alone: the index knows what they should be. */
const settleAfterMs = 1000;

/** Makes renames and removals durable some time after, together, and has it recorded: then the index need not finish them. */
export class Settler {
  readonly #onSettled: (done: ReadonlyMap<ByteKey, string>) => Promise<void>;
  readonly #run = new SharedRun(async () => await this.#settle());
  #done = new Map<ByteKey, string>();
  #directories = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onSettled: (done: ReadonlyMap<ByteKey, string>) => Promise<void>) {
    this.#onSettled = onSettled;
  }

  /** A key got this version, '' when it was removed; names in these directories changed. */
  add(key: ByteKey, version: string, directories: readonly string[]): void {
    this.touched(directories);
    this.#done.set(key, version);
    this.#timer ??= setTimeout(() => this.#run.start(), settleAfterMs).unref();
  }

  touched(directories: readonly string[]): void {
    for (const directory of directories) this.#directories.add(directory);
  }

  /** Resolves when all that was added is durable and recorded as such. */
  async settle(): Promise<void> {
    await this.#run.run();
  }

  async close(): Promise<void> {
    await this.settle();
    clearTimeout(this.#timer);
  }

  async #settle(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const [done, directories] = [this.#done, this.#directories];
    [this.#done, this.#directories] = [new Map(), new Set()];
    try {
      await syncDirectories(directories);
      await this.#onSettled(done);
    } catch (error) {
      // The next one tries again.
      for (const directory of directories) this.#directories.add(directory);
      for (const [key, version] of done) if (!this.#done.has(key)) this.#done.set(key, version);
      throw error;
    }
  }
}
