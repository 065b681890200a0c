import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { cancelled, raceSignal, throwIfAborted } from '../../base/abort.ts';
import { nameOf, parentOf, type RootPath } from '../../base/root-path.ts';
import type { WorkerPool } from '../../base/worker-pool.ts';
import { manifestTotals } from '../../chunk/manifest.ts';
import type { Changes } from '../watch/tree-watch.ts';
import type { Advance } from './advance.ts';
import { IndexKeeper } from './index-keeper.ts';
import { lookOf } from './last-look.ts';
import { LookAhead } from './look-ahead.ts';
import { newTree, type SourceTree } from './new-tree.ts';
import { recheck } from './recheck.ts';
import { refuseNothing } from './refuse-nothing.ts';
import { rescan } from './rescan.ts';
import { resolveRoot } from './resolve-root.ts';
import { type ScanResult, scan } from './scan.ts';
import type { ScannedDirectory } from './scanned-directory.ts';
import { type SentPath, sentPaths } from './sent-paths.ts';
import type { Snapshot, SnapshotOptions } from './snapshot.ts';
import { SourceWatch, type Watched } from './source-watch.ts';
import { type PathStanding, rootItself, type SourceTasks, type WalkInput } from './tasks.ts';
import { TreeSnapshot } from './tree-snapshot.ts';

export interface SourceOptions {
  /** Absolute, latin1-held; a directory, a file, or a symlink to one. */
  readonly root: string;
  /** Where the scan index of this root is kept (UTF-16). */
  readonly indexFile: string;
  /** Whether `.git` directories and files are sent. */
  readonly sendGit: boolean;
  /** For git's own configuration; UTF-16. */
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  readonly pool: WorkerPool<SourceTasks>;
}

/** A source that was not used for this long begins to be watched. */
const restMs = 1000;
/** One that is watched and was not used for this long is looked at as a whole, for what raises no event. */
const longRestMs = 30_000;
/** One whose watch ended by itself is watched again after as long, and each time twice as long. */
const firstRetryMs = 30_000;
const watchAttempts = 3;

const nothingNew = { renewed: [], same: true, problems: [] } as const;

/**
 * One root on this machine: takes snapshots of it, and remembers between them, in memory and in the index file, what it
 * need not read again. Snapshots are taken one at a time. Close it to have the index written out.
 */
export class Source implements AsyncDisposable {
  readonly #options: SourceOptions;
  readonly #index: IndexKeeper;
  #directories: ReadonlyMap<RootPath, ScannedDirectory> = new Map();
  #tree: SourceTree | undefined;
  /** Set while the tree is watched: what the last look at all of it said. */
  #watched: Watched | undefined;
  /** What was `#watched` before the look that is being taken. It goes on watching. */
  #kept: Watched | undefined;
  /** Ends that look. */
  #look: AbortController | undefined;
  /** Changes with every look at the whole tree. */
  #rules = '';
  #rest: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  /** Of the snapshot that is being taken. */
  #advance: Advance | undefined;
  /** Snapshots that wait for their turn. */
  #waiting = 0;
  /** Grows with each file that is not to be trusted. */
  #distrusts = 0;
  readonly #ahead = new LookAhead(() => this.lookAhead());
  readonly #closing = new AbortController();
  /** The snapshot being taken, if any; never rejects. */
  #taking: Promise<void> = Promise.resolve();
  /** The index being read; never rejects. */
  #loaded: Promise<void> = Promise.resolve();

  private constructor(options: SourceOptions) {
    this.#options = options;
    this.#index = new IndexKeeper(options.indexFile, options.root);
  }

  /** Begins to read the index; a damaged one is as good as none. Does not look at the root. */
  static open(options: SourceOptions): Source {
    const source = new Source(options);
    source.#loaded = source.#load();
    return source;
  }

  async #load(): Promise<void> {
    this.#directories = await this.#index.load();
  }

  /**
   * Looks at the whole tree, reads what changed. Rejects with `workdir-missing`, `nothing-to-sync` (the rules ignore all
   * there is), `permission-denied` (the root itself), `not-supported`, `cancelled`. Paths that cannot be read are the
   * snapshot's problems.
   */
  async snapshot(options: SnapshotOptions, signal: AbortSignal): Promise<Snapshot> {
    // Nobody waits for a look at what is watched, and of a million files it takes seconds.
    this.#look?.abort(cancelled());
    this.#advance?.hurry();
    this.#ahead.tell(options.early);
    this.#waiting += 1;
    const before = this.#taking;
    const taken = this.#inTurn(async () => {
      this.#waiting -= 1;
      throwIfAborted(signal);
      this.#advance = options.advance;
      if (this.#waiting > 0) this.#advance?.hurry();
      return await this.#take(options, signal);
    });
    // Whoever does not wait any more does not want it either.
    taken.catch(() => undefined);
    await raceSignal(before, signal);
    return await taken;
  }

  /**
   * Begins to watch the tree, so that the next snapshot looks only at what changed; or, if it is watched, looks once at all
   * of it for what raises no event. Happens by itself when the source is not used for a while. Resolves with whether the
   * tree is watched now.
   */
  async watch(): Promise<boolean> {
    return await this.#inTurn(() => this.#beginWatch(false));
  }

  /**
   * Reads what changed in a watched tree before anybody asks, so that it need not be read then; it is looked at again all
   * the same. Happens by itself when it has come to rest. Never rejects. Resolves with how many milliseconds it took.
   */
  async lookAhead(): Promise<number> {
    const { signal } = this.#closing;
    const look = async (): Promise<number> => {
      if (signal.aborted || this.#watched === undefined || this.#waiting > 0) return 0;
      const since = performance.now();
      const names: Changes['names'][] = [];
      try {
        const options = { verify: false, early: this.#ahead.early };
        const result = await this.#rescan(await this.#where(), options, signal, (some) => names.push(some));
        if (result !== undefined) this.#tree ??= await newTree(this.#options.root, result);
      } finally {
        this.#lookAgain(names);
      }
      return performance.now() - since;
    };
    return await this.#inTurn(look).catch(() => 0);
  }

  #watchAfter(ms: number, yields: boolean): void {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => void this.#inTurn(() => this.#beginWatch(yields)).catch(() => undefined), ms).unref();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#taking.then(work);
    this.#taking = done.then(
      () => undefined,
      () => undefined,
    );
    return await done;
  }

  /** What would be sent now, in path order, without reading any file. */
  async listFiles(signal: AbortSignal): Promise<SentPath[]> {
    const { root, pool } = this.#options;
    return await sentPaths(root, pool, await this.#where(), signal);
  }

  /** How paths of the root stand: there or not, sent, or ignored by which rule. */
  async explain(paths: readonly RootPath[], signal: AbortSignal): Promise<readonly PathStanding[]> {
    return await this.#options.pool.run('stand', { ...(await this.#where()), paths }, signal);
  }

  /** Waits until the index is written. Snapshots that were taken stay good. */
  async close(): Promise<void> {
    this.#closing.abort(cancelled());
    this.#look?.abort(cancelled());
    clearTimeout(this.#rest);
    this.#ahead[Symbol.dispose]();
    await this.#taking;
    this.#unwatch();
    await this.#loaded;
    await this.#index.written();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #where(): Promise<WalkInput> {
    const { root, home, xdgConfigHome, sendGit } = this.#options;
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    return { root: await resolveRoot(root), home, xdgConfigHome, sendGit, cancel };
  }

  async #take(options: SnapshotOptions, signal: AbortSignal): Promise<Snapshot> {
    clearTimeout(this.#rest);
    this.#retryMs = firstRetryMs;
    const where = await this.#where();
    const known = options.verify
      ? undefined
      : ((await this.#rescan(where, options, signal)) ?? (await this.#recheck(where, options, signal)));
    const result = known ?? (await this.#scanAnew(where, options, signal));
    this.#watchAfter(this.#watched === undefined ? restMs : longRestMs, false);
    refuseNothing(this.#options.root, result.walk);
    const tree = result.same && this.#tree !== undefined ? this.#tree : await newTree(this.#options.root, result);
    this.#tree = tree;
    const note = this.#index.takeNote() ?? [];
    return new TreeSnapshot({
      ...tree,
      id: `s-${randomBytes(8).toString('hex')}`,
      totals: manifestTotals(tree.manifest),
      problems: result.problems,
      warnings: result.walk.warnings.concat(note),
      skipped: result.walk.skipped,
      where,
      pool: this.#options.pool,
      onChanged: (path) => this.#distrust(path),
    });
  }

  /** Looks at everything. Ends the watch: it may have missed what this scan found. */
  async #scanAnew(where: WalkInput, options: SnapshotOptions, signal: AbortSignal): Promise<ScanResult> {
    this.#unwatch();
    return await this.#scan(where, options, signal);
  }

  /** Looks at everything by what the last look went by. Ends the watch, as a scan does. */
  async #recheck(where: WalkInput, options: SnapshotOptions, signal: AbortSignal): Promise<ScanResult | undefined> {
    await this.#loaded;
    const { look } = this.#index;
    if (look === undefined) return undefined;
    this.#unwatch();
    this.#rules = randomBytes(8).toString('hex');
    const previous = this.#directories;
    const from = { ...options, ...this.#reading(options), where, previous, rules: this.#rules, look };
    const result = await recheck(from, signal);
    if (result !== undefined) this.#adopt(result);
    return result;
  }

  async #scan(where: WalkInput, options: SnapshotOptions, signal: AbortSignal): Promise<ScanResult> {
    const previous = this.#loaded.then(() => this.#directories);
    this.#rules = randomBytes(8).toString('hex');
    const result = await scan({ ...options, ...this.#reading(options), where, previous, rules: this.#rules }, signal);
    // What it listed it judged by other rules than that look, maybe; and it may lack what that would not miss (`lookOf`).
    if (result.renewed.length > 0 || result.walk.empty.length > 0) this.#index.forgetLook(this.#directories);
    this.#adopt(result);
    return result;
  }

  #reading({ onProgress = () => undefined, early }: SnapshotOptions) {
    const onFailure = (renewed: readonly ScannedDirectory[]): void => this.#keep(renewed);
    return { pool: this.#options.pool, onProgress, onFailure, ...(early && { early }) };
  }

  /** Looks at what changed, if that can be told; the watch is over if not. */
  async #rescan(
    where: WalkInput,
    options: SnapshotOptions,
    signal: AbortSignal,
    onChanges: (names: Changes['names']) => void = () => undefined,
  ): Promise<ScanResult | undefined> {
    if (this.#watched === undefined) return undefined;
    const { watch, walk } = this.#watched;
    const distrusts = this.#distrusts;
    // Put back only when all changes were taken up.
    this.#watched = undefined;
    const changes = watch.tree.root === where.root ? watch.changes() : undefined;
    if (changes !== undefined) onChanges(changes.tree.names);
    let result: ScanResult | undefined;
    try {
      if (changes?.tree.names.size === 0 && changes.rules.length === 0)
        result = { ...nothingNew, directories: this.#directories, walk };
      else if (changes !== undefined) {
        const rulesBefore = this.#rules;
        // Threads read rules that changed anew.
        if (changes.rules.length > 0) this.#rules = randomBytes(8).toString('hex');
        const rules = { rules: this.#rules, rulesBefore };
        const from = { where, previous: this.#directories, watch, walk, changes };
        result = await rescan({ ...this.#reading(options), ...rules, ...from }, signal);
      }
    } finally {
      // What was distrusted meanwhile was changed by what the watch had not told.
      if (result === undefined || distrusts !== this.#distrusts) watch[Symbol.dispose]();
    }
    if (result === undefined) return undefined;
    if (changes?.rules.length !== 0 && result.renewed.length > 0) this.#index.forgetLook(this.#directories);
    // Counts and warnings of the last look at everything stand for what was not looked at now.
    const warnings = [...new Set([...walk.warnings, ...result.walk.warnings])];
    this.#adopt(result);
    const now = { ...walk, warnings, rules: result.walk.rules };
    if (distrusts === this.#distrusts) this.#watched = { watch, walk: now };
    return { ...result, walk: now };
  }

  /** `yields`: a snapshot that is wanted ends it, even if there was no watch before. */
  async #beginWatch(yields: boolean): Promise<boolean> {
    await this.#loaded;
    if (this.#closing.signal.aborted || this.#directories.size === 0) return false;
    this.#kept = this.#watched;
    this.#watched = undefined;
    const before = this.#directories;
    const look = new AbortController();
    if (yields || this.#kept !== undefined) this.#look = look;
    try {
      const watched = await this.#lookAtAll(this.#kept, look.signal);
      // What a look that was ended had found new, the watch that was before it does not know its way about in.
      const found = this.#directories !== before;
      if (watched !== undefined) this.#keepLook(watched);
      this.#watched = watched ?? (look.signal.aborted && !found ? this.#kept : undefined);
    } finally {
      this.#look = undefined;
      if (this.#kept !== this.#watched) this.#kept?.watch[Symbol.dispose]();
      this.#kept = undefined;
    }
    return this.#watched !== undefined;
  }

  #keepLook(watched: Watched): void {
    const { home, xdgConfigHome, sendGit } = this.#options;
    const look = lookOf({ root: watched.watch.tree.root, home, xdgConfigHome, sendGit }, watched);
    if (look !== undefined) this.#index.saveLook(look, this.#directories);
  }

  /** Watches the tree and looks at all of it, until nothing happened between the two. `before` where it cannot be watched once more. */
  async #lookAtAll(before: Watched | undefined, signal: AbortSignal): Promise<Watched | undefined> {
    const options = { verify: false };
    const where = await this.#where();
    let walk = before?.walk ?? (await this.#scan(where, options, signal)).walk;
    for (let attempt = 0; attempt < watchAttempts && !signal.aborted; attempt += 1) {
      const watch = await SourceWatch.open(where.root, this.#directories, walk, () => this.#ahead.quiet());
      if (watch === undefined) return before;
      const result = await this.#scan(where, options, signal).catch(() => undefined);
      const unwatched = [...(result?.directories.keys() ?? []), ...(result?.walk.empty ?? [])].some(
        (path) => path !== rootItself && !watch.tree.has(path),
      );
      const inputs = result === undefined ? [] : [...result.walk.rules.inputs].sort();
      const sameRules = watch.rulesHold && isDeepStrictEqual(inputs, [...walk.rules.inputs].sort());
      if (result !== undefined && result.problems.length === 0 && sameRules && !unwatched && !watch.tree.lost)
        return { watch, walk: result.walk };
      watch[Symbol.dispose]();
      if (result === undefined || result.problems.length > 0) return undefined;
      ({ walk } = result);
    }
    return undefined;
  }

  /** What a look ahead had seen change is for the next look to look at, too. */
  #lookAgain(seen: readonly Changes['names'][]): void {
    if (this.#watched === undefined) {
      // It could not tell by what changed, or something cannot be read just now.
      this.#watchAfter(this.#retryMs, true);
      this.#retryMs *= 2;
      return;
    }
    const { tree } = this.#watched.watch;
    for (const names of seen) tree.putBack(new Map([...names].filter(([path]) => this.#directories.has(path))));
  }

  #unwatch(): void {
    for (const one of [this.#watched, this.#kept]) one?.watch[Symbol.dispose]();
    this.#watched = undefined;
    this.#kept = undefined;
  }

  #adopt({ directories, renewed, same }: ScanResult): void {
    this.#directories = directories;
    if (!same) this.#tree = undefined;
    this.#index.save(renewed, this.#directories);
  }

  /** What a scan that failed had read need not be read again. */
  #keep(renewed: readonly ScannedDirectory[]): void {
    if (renewed.length === 0) return;
    this.#index.forgetLook(this.#directories);
    const directories = new Map(this.#directories);
    for (const directory of renewed) directories.set(directory.path, directory);
    this.#directories = directories;
    this.#tree = undefined;
    this.#index.save(renewed, this.#directories);
  }

  /** Has a file read again by the next scan. */
  #distrust(path: RootPath): void {
    // Whatever changed it, the watch has not told.
    this.#unwatch();
    this.#distrusts += 1;
    const scanned = this.#directories.get(path === '' ? rootItself : parentOf(path));
    if (scanned === undefined) return;
    const name = path === '' ? '' : nameOf(path);
    for (const [at, listed] of [...scanned.listing.texts()].entries())
      if (listed.name === name) scanned.listing.distrust(at);
  }
}
