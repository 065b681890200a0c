/** A look at the directories of a watched source that something happened in, instead of at all of it. */
import { joinPath, parentOf, type RootPath } from '../../base/root-path.ts';
import type { Changes } from '../watch/tree-watch.ts';
import type { Listing } from './listing.ts';
import { type ScanOptions, type ScanResult, scan } from './scan.ts';
import type { ScannedDirectory } from './scanned-directory.ts';
import { type SourceWatch, watchedRuleFiles } from './source-watch.ts';
import { rootItself } from './tasks.ts';

/** Names that change what is sent of a whole subtree. */
const ruleNames = ['.git', ...watchedRuleFiles];

/** A new directory is watched before it is listed, so each level of a new tree takes a round. */
const maxRounds = 64;

export interface RescanOptions extends Omit<ScanOptions, 'only' | 'verify' | 'previous'> {
  readonly previous: ReadonlyMap<RootPath, ScannedDirectory>;
  readonly watch: SourceWatch;
  readonly changes: Changes;
}

/**
 * What a scan of the whole tree would have come to, as far as `changes` tell; undefined when they do not tell enough,
 * and the whole tree must be scanned: rules changed, something cannot be read, files have several names.
 */
export async function rescan(options: RescanOptions, signal: AbortSignal): Promise<ScanResult | undefined> {
  const { changes, previous } = options;
  for (const names of changes.names.values()) if (ruleNames.some((name) => names.has(name))) return undefined;
  const run = new Rescan(options);
  run.drop(changes.moved);
  let todo = [...changes.names.keys()].filter((path) => run.directories.has(path));
  for (let round = 0; todo.length > 0; round += 1) {
    if (round === maxRounds) return undefined;
    const next = await run.round(todo, signal);
    if (next === undefined) return undefined;
    todo = next;
  }
  return run.result(previous);
}

class Rescan {
  readonly directories: Map<RootPath, ScannedDirectory>;
  readonly #options: RescanOptions;
  readonly #renewed = new Map<RootPath, ScannedDirectory>();
  #last: ScanResult | undefined;

  constructor(options: RescanOptions) {
    this.#options = options;
    this.directories = new Map(options.previous);
  }

  /** Takes directories and all below them out. */
  drop(gone: ReadonlySet<RootPath>): void {
    if (gone.size === 0) return;
    for (const path of this.directories.keys()) {
      if (path === rootItself) continue;
      for (let at = path; at !== ''; at = parentOf(at)) {
        if (!gone.has(at)) continue;
        this.directories.delete(path);
        this.#renewed.delete(path);
        this.#options.watch.tree.remove(path);
        break;
      }
    }
  }

  /** Lists directories; returns those to be listed next, which are watched by then. */
  async round(paths: readonly RootPath[], signal: AbortSignal): Promise<RootPath[] | undefined> {
    const { watch, changes: _, ...options } = this.#options;
    const only = paths
      .filter((path) => path !== rootItself)
      .sort()
      .map((path) => ({ path, deep: false }));
    const result = await scan({ ...options, previous: this.directories, verify: false, only }, signal);
    this.#last = result;
    if (result.walk.unclear || result.problems.length > 0 || watch.tree.lost) return undefined;
    // A repository that was not there before has rules that nobody watches.
    if (!result.walk.ruleFiles.every((path) => watch.covers(path))) return undefined;
    const next = new Set<RootPath>();
    const gone = new Set<RootPath>(result.walk.gone);
    for (const path of gone) next.add(parentOf(path));
    for (const [path, scanned] of result.directories) {
      if (scanned.listing.hasLinks()) return undefined;
      const below = path === rootItself ? new Set<RootPath>() : subdirectories(path, scanned.listing);
      const before = this.directories.get(path);
      if (before !== undefined && path !== rootItself)
        for (const child of subdirectories(path, before.listing)) if (!below.has(child)) gone.add(child);
      for (const child of below) if (!this.directories.has(child)) next.add(child);
    }
    this.drop(gone);
    for (const [path, scanned] of result.directories) this.directories.set(path, scanned);
    for (const scanned of result.renewed) this.#renewed.set(scanned.path, scanned);
    for (const path of next) watch.tree.add(path);
    return [...next];
  }

  result(previous: ReadonlyMap<RootPath, ScannedDirectory>): ScanResult | undefined {
    if (this.#last === undefined) return undefined;
    const renewed = [...this.#renewed.values()];
    const same =
      this.directories.size === previous.size &&
      renewed.every(({ path, directory }) => previous.get(path)?.directory === directory);
    return { ...this.#last, directories: this.directories, renewed, same };
  }
}

function subdirectories(path: RootPath, listing: Listing): Set<RootPath> {
  const paths = new Set<RootPath>();
  let at = 0;
  for (const { name } of listing.texts()) {
    if (listing.kind(at) === 'dir') paths.add(joinPath(path, name));
    at += 1;
  }
  return paths;
}
