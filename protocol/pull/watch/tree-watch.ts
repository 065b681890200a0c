import { type BigIntStats, lstatSync } from 'node:fs';
import { absolutePath, type NativePath, nameOf, parentOf, type RootPath } from '../../base/root-path.ts';
import { Inotify, type InotifyEvent } from '../../libc/inotify.ts';
import { isOnNetwork } from './network.ts';

/** How often events are taken out of the kernel's queue, which has a limit, while nobody asks. */
const drainMs = 500;
/** What changed is at rest when nothing more does for this long. */
const quietMs = 100;
/** More changed names than this are not kept: looking at everything is then as fast. */
const maxChanges = 20_000;

/** More directories than this being moved make the watch lost: each costs a look at all watches. */
const maxMoved = 256;

export interface Changes {
  /**
   * Names that something happened to, by directory; '' is the directory itself, a name with a slash behind a directory in
   * which something happened, so that its own times may be others.
   */
  readonly names: ReadonlyMap<RootPath, ReadonlySet<string>>;
  /** Directories that are gone from their place, with all below: what is there now, if anything, is another one, and not watched. */
  readonly moved: ReadonlySet<RootPath>;
}

/**
 * Knows which directories of a tree had something happen in them since it was last asked. Certain (see `Inotify`) for
 * every directory that was added before it was last read; what cannot be known makes the watch `lost`, for good.
 * Close it when it is not needed.
 */
export class TreeWatch implements Disposable {
  readonly root: string;
  readonly #inotify: Inotify;
  readonly #identity: BigIntStats;
  readonly #paths = new Map<number, RootPath>();
  readonly #watches = new Map<RootPath, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #onQuiet: (() => void) | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #names = new Map<RootPath, Set<string>>();
  #moved = new Set<RootPath>();
  #count = 0;
  /** `onQuiet` was called, and nothing happened since. */
  #told = false;
  #lost = false;

  private constructor(root: string, inotify: Inotify, identity: BigIntStats, onQuiet: (() => void) | undefined) {
    this.root = root;
    this.#inotify = inotify;
    this.#identity = identity;
    this.#onQuiet = onQuiet;
    this.#timer = setInterval(() => this.#listen(), drainMs);
    this.#timer.unref();
  }

  /**
   * A watch of no directory yet, on the tree at `root` (absolute, latin1-held, no symlink); undefined where watching is
   * impossible. `onQuiet` is called when there are changes to take and no more came for a while.
   */
  static open(root: string, onQuiet?: () => void): TreeWatch | undefined {
    const identity = statsOf(absolutePath(root, ''));
    if (identity?.isDirectory() !== true || isOnNetwork(absolutePath(root, ''))) return undefined;
    const inotify = Inotify.open();
    return inotify === undefined ? undefined : new TreeWatch(root, inotify, identity, onQuiet);
  }

  get lost(): boolean {
    return this.#lost;
  }

  has(path: RootPath): boolean {
    return this.#watches.has(path);
  }

  /** Watches a directory: read it after this, not before. One that is not there is no loss. Blocking, some microseconds. */
  add(path: RootPath): void {
    if (this.#lost || this.#watches.has(path)) return;
    const where = absolutePath(this.root, path);
    const watch = this.#inotify.add(where);
    if (watch === 'absent') return;
    if (watch === 'refused' || (this.#onOtherDevice(where) && isOnNetwork(where))) {
      this.#lose();
      return;
    }
    // A directory that was renamed keeps its number.
    const before = this.#paths.get(watch);
    if (before !== undefined) this.#watches.delete(before);
    this.#paths.set(watch, path);
    this.#watches.set(path, watch);
  }

  /** Stops watching a directory that is no part of the tree any more. */
  remove(path: RootPath): void {
    const watch = this.#watches.get(path);
    if (watch === undefined) return;
    this.#watches.delete(path);
    this.#paths.delete(watch);
    this.#inotify.remove(watch);
  }

  /** What happened since the last call; undefined when that cannot be told. */
  take(): Changes | undefined {
    this.#drain();
    const now = statsOf(absolutePath(this.root, ''));
    if (now?.ino !== this.#identity.ino || now.dev !== this.#identity.dev) this.#lose();
    if (this.#lost) return undefined;
    const changes = { names: this.#names, moved: this.#moved };
    this.#names = new Map();
    this.#moved = new Set();
    this.#count = 0;
    return changes;
  }

  /** Has the next `take` tell these once more. */
  putBack(names: Changes['names']): void {
    for (const [path, some] of names) for (const name of some) this.#note(path, name);
  }

  [Symbol.dispose](): void {
    this.#lose();
  }

  /** Takes events, and looks again soon until there are none. */
  #listen(): void {
    const some = this.#drain();
    clearTimeout(this.#quiet);
    if (this.#lost || this.#onQuiet === undefined || this.#count === 0) return;
    if (some) this.#quiet = setTimeout(() => this.#listen(), quietMs).unref();
    else if (!this.#told) this.#onQuiet();
    this.#told = !some;
  }

  /** Whether there were any events. */
  #drain(): boolean {
    if (this.#lost) return false;
    const events = this.#inotify.read();
    if (events === 'overflow') {
      this.#lose();
      return true;
    }
    for (const event of events) {
      const path = this.#paths.get(event.watch);
      if (path !== undefined) this.#take(path, event);
    }
    if (this.#count > maxChanges || this.#moved.size > maxMoved) this.#lose();
    return events.length > 0;
  }

  #take(path: RootPath, { name, self, ended }: InotifyEvent): void {
    if (self || ended) {
      if (path === '') this.#lose();
      else this.#forget(path);
    }
    this.#note(path, name);
    // Its own entry, with its mode and times, is its parent's to list.
    if (path !== '') this.#note(parentOf(path), `${nameOf(path)}/`);
  }

  /** The watches below a directory that was moved would tell of another place now. */
  #forget(moved: RootPath): void {
    this.#moved.add(moved);
    if (this.#moved.size > maxMoved) return;
    const below = `${moved}/`;
    for (const path of this.#watches.keys()) if (path === moved || path.startsWith(below)) this.remove(path);
  }

  #note(path: RootPath, name: string): void {
    const names = this.#names.get(path);
    if (names === undefined) {
      this.#names.set(path, new Set([name]));
      this.#count += 1;
    } else if (!names.has(name)) {
      names.add(name);
      this.#count += 1;
    }
  }

  #onOtherDevice(where: NativePath): boolean {
    return statsOf(where)?.dev !== this.#identity.dev;
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    clearInterval(this.#timer);
    clearTimeout(this.#quiet);
    this.#inotify[Symbol.dispose]();
    this.#paths.clear();
    this.#watches.clear();
    this.#names.clear();
    this.#moved.clear();
  }
}

function statsOf(path: NativePath): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
