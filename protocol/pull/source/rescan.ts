/** A look at the directories of a watched source that something happened in, instead of at all of it. */
import { isWithin, joinPath, parentOf, type RootPath } from '../../base/root-path.ts';
import { combineRules, type RuleState } from './ignore/rule-state.ts';
import { KnownFiles } from './known-files.ts';
import { frameListing, type Listing } from './listing.ts';
import { type ScanOptions, type ScanResult, scan } from './scan.ts';
import type { ScannedDirectory } from './scanned-directory.ts';
import { type SourceWatch, watchedRuleFiles } from './source-watch.ts';
import { rootItself, type WalkOutput, type WalkPart } from './tasks.ts';

/** Names that change what is sent of a whole subtree. */
const ruleNames = ['.git', ...watchedRuleFiles];

/** A new directory is watched before it is listed, so each level of a new tree takes a round. */
const maxRounds = 64;

/** Who is told which directories there are, and knows whether the way of telling is still good. */
export interface Surroundings {
  readonly tree: Pick<SourceWatch['tree'], 'lost' | 'add' | 'remove'>;
  covers(ruleFile: string): boolean;
}

export interface RoundsOptions extends Omit<ScanOptions, 'only' | 'known' | 'tracked' | 'verify' | 'previous'> {
  readonly previous: Scanned;
  readonly watch: Surroundings;
  /** The last look at everything, with what the verdicts hang on. */
  readonly walk: WalkOutput;
}

export interface RescanOptions extends RoundsOptions {
  /** What the rules were called before any of them changed, if one did. */
  readonly rulesBefore: string;
  readonly changes: NonNullable<ReturnType<SourceWatch['changes']>>;
}

type Scanned = ReadonlyMap<RootPath, ScannedDirectory>;
export type Names = ReadonlyMap<RootPath, ReadonlySet<string>>;

/**
 * What a scan of the whole tree would have come to, as far as `changes` tell; undefined when they do not tell enough,
 * and the whole tree must be scanned: rules changed, something cannot be read, files have several names. That git tracks
 * other paths than before is no such change: the directories in question are looked at.
 */
export async function rescan(options: RescanOptions, signal: AbortSignal): Promise<ScanResult | undefined> {
  const { rulesBefore, changes, ...rounds } = options;
  const { pool, previous, walk } = options;
  const { tree, rules } = changes;
  const state = walk.rules;
  for (const names of tree.names.values()) if (ruleNames.some((name) => names.has(name))) return undefined;
  // Something happened where nothing was sent: now it may be.
  for (const path of tree.names.keys()) if (!previous.has(path)) return undefined;
  const renewal = rules.length === 0 ? undefined : pool.run('renew', { state, changed: rules }, signal);
  const run = new Rescan(rounds);
  run.drop(tree.moved);
  const known = [...tree.names.keys()].filter((path) => run.directories.has(path));
  // By the rules as they were, which the threads have at hand. If they say something else now, nothing of it counts; if git
  // tracks something else, the directories in question are looked at once more.
  const round = run.round(known, { names: tree.names, rules: rulesBefore, tracked: state.tracked }, signal);
  const [renewed, first] = await Promise.all([renewal, round]);
  if (first === undefined || (renewal !== undefined && renewed === undefined)) return undefined;
  const todo = [...new Set([...first, ...run.judging(renewed?.affected ?? [])])];
  const now = renewed?.state ?? state;
  if (!(await run.follow(todo, { rules: options.rules, tracked: now.tracked }, signal))) return undefined;
  return run.result(previous, now);
}

/**
 * What a scan of the whole tree would have come to, if nothing but these directories (or these names of one) changed, and
 * no rule; undefined as for `rescan`.
 */
export async function scanChanged(
  options: RoundsOptions,
  directories: readonly RootPath[],
  names: Names,
  signal: AbortSignal,
): Promise<ScanResult | undefined> {
  const run = new Rescan(options);
  const { rules, walk } = options;
  const first = await run.round(directories, { names, rules }, signal);
  if (first === undefined || !(await run.follow(first, { rules }, signal))) return undefined;
  return run.result(options.previous, walk.rules);
}

class Rescan {
  readonly directories: Map<RootPath, ScannedDirectory>;
  readonly #options: RoundsOptions;
  readonly #renewed = new Map<RootPath, ScannedDirectory>();
  readonly #states: RuleState[] = [];
  #last: ScanResult | undefined;
  #knownFiles: Promise<KnownFiles> | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.directories = new Map(options.previous);
  }

  /** Of the last scan: what was dropped since may be elsewhere now. */
  #known(): Promise<KnownFiles> {
    this.#knownFiles ??= KnownFiles.of(this.#options.previous);
    return this.#knownFiles;
  }

  /** Directories in which the verdict on these paths, or on one above them, shows. */
  judging(paths: readonly string[]): Set<RootPath> {
    const above = `${this.#options.where.root}/`;
    const directories = new Set<RootPath>();
    for (const path of paths) {
      if (!path.startsWith(above)) continue;
      for (let at = path.slice(above.length); at !== ''; at = parentOf(at))
        if (this.directories.has(parentOf(at))) directories.add(parentOf(at));
    }
    return directories;
  }

  /** Takes directories and all below them out. */
  drop(gone: ReadonlySet<RootPath>): void {
    if (gone.size === 0) return;
    for (const path of this.directories.keys()) {
      if (path === rootItself || !isWithin(path, gone)) continue;
      this.directories.delete(path);
      this.#renewed.delete(path);
      this.#options.watch.tree.remove(path);
    }
  }

  /** Round after round, until there is nothing more to list; false where that cannot be told. */
  async follow(
    directories: readonly RootPath[],
    by: Pick<ScanOptions, 'rules' | 'tracked'>,
    signal: AbortSignal,
  ): Promise<boolean> {
    let todo: readonly RootPath[] | undefined = directories;
    for (let left = maxRounds; todo.length > 0; left -= 1) {
      if (left === 0) return false;
      todo = await this.round(todo, by, signal);
      if (todo === undefined) return false;
    }
    return true;
  }

  /** Lists directories, or those `names` of them; returns those to be listed next, which are watched by then. */
  async round(
    paths: readonly RootPath[],
    { names, ...by }: Pick<ScanOptions, 'rules' | 'tracked'> & { readonly names?: Names },
    signal: AbortSignal,
  ): Promise<RootPath[] | undefined> {
    if (paths.length === 0) return [];
    const { watch, walk: _, ...options } = this.#options;
    const result = await scan(
      {
        ...options,
        ...by,
        previous: this.directories,
        knownFiles: () => this.#known(),
        verify: false,
        ...this.#parts(paths, names),
      },
      signal,
    );
    this.#last = result;
    // What a thread has read of these before may be what they were then.
    const tracked = [...result.walk.rules.tracked].filter(([gitDir]) => by.tracked?.has(gitDir) !== true);
    this.#states.push({ ...result.walk.rules, tracked: new Map(tracked) });
    if (result.walk.unclear || result.problems.length > 0 || watch.tree.lost) return undefined;
    // A repository that was not there before has rules that nobody watches.
    if (!result.walk.rules.inputs.every((path) => watch.covers(path))) return undefined;
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

  #parts(paths: readonly RootPath[], names: Names | undefined): Pick<ScanOptions, 'only' | 'known'> {
    const frames: Buffer[] = [];
    const only = paths
      .filter((path) => path !== rootItself)
      .sort()
      .map((path): WalkPart => {
        const listing = this.directories.get(path)?.listing;
        const some = names?.get(path);
        if (some === undefined || listing === undefined || some.size >= listing.count) return { path, deep: false };
        frames.push(frameListing(path, listing.bytes));
        return { path, deep: false, names: [...new Set([...some].map(plainName))].filter((name) => name !== '') };
      });
    return { only, known: new Uint8Array(Buffer.concat(frames)) };
  }

  result(previous: Scanned, state: RuleState): ScanResult | undefined {
    const rules = combineRules([state, ...this.#states]);
    // Read while they changed.
    if (rules === undefined) return undefined;
    const renewed = [...this.#renewed.values()];
    const same =
      this.directories.size === previous.size &&
      renewed.every(({ path, directory }) => previous.get(path)?.directory === directory);
    const walk = { ...(this.#last?.walk ?? this.#options.walk), rules };
    return { walk, problems: [], directories: this.directories, renewed, same };
  }
}

function plainName(name: string): string {
  return name.endsWith('/') ? name.slice(0, -1) : name;
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
