import type { RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import { TreeWatch } from '../watch/tree-watch.ts';

/**
 * Which directories of a root may differ from its ledger: those that something happened in since they were last looked
 * at. Begins with not knowing; knows once all directories were watched, and then looked at.
 */
export class RootWatch implements Disposable {
  #watch: TreeWatch | undefined;
  /** Undefined: any may. */
  #doubtful: Set<RootPath> | undefined;

  /** Whether it is watched, as far as it could be. */
  get begun(): boolean {
    return this.#watch !== undefined;
  }

  /** Directories that must be looked at; undefined when all must. Empty: the root is as the ledger says. */
  get doubtful(): ReadonlySet<RootPath> | undefined {
    if (this.#watch === undefined || this.#doubtful === undefined) return undefined;
    const changes = this.#watch.take();
    // Our own removals look like moves. Watching anew is then simpler than following.
    if (changes === undefined || changes.moved.size > 0) {
      this.#forget();
      return undefined;
    }
    for (const path of changes.names.keys()) this.#doubtful.add(path);
    return this.#doubtful;
  }

  /** Watches the directories of the ledger of the root at `root`. Look at all of them after this, then say so with `lookedAt`. */
  async begin(root: string, directories: readonly RootPath[]): Promise<void> {
    this.#forget();
    const watch = TreeWatch.open(root);
    if (watch === undefined) return;
    const turns = new Turns();
    for (const path of directories) {
      watch.add(path);
      if (turns.over) await turns.next();
    }
    if (watch.lost) watch[Symbol.dispose]();
    else this.#watch = watch;
  }

  /** Everything, or what `doubtful` was, is now known to be as the ledger says, except in `still`. */
  lookedAt(still: Iterable<RootPath>): void {
    if (this.#watch !== undefined) this.#doubtful = new Set(still);
  }

  /** Directories that the ledger has from now on. */
  add(directories: readonly RootPath[]): void {
    for (const path of directories) {
      this.#watch?.add(path);
      this.#doubtful?.add(path);
    }
    if (this.#watch?.lost === true) this.#forget();
  }

  [Symbol.dispose](): void {
    this.#forget();
  }

  #forget(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#doubtful = undefined;
  }
}
