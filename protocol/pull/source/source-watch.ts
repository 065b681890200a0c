import { joinPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import { type Changes, TreeWatch } from '../watch/tree-watch.ts';
import { stampOf, stampsOf } from './rule-stamps.ts';
import type { ScannedDirectory } from './scanned-directory.ts';
import { rootItself, type WalkOutput } from './tasks.ts';

/** More files than this that must be looked at each time are not worth watching the others. */
const maxStamps = 10_000;

/** Rule files that lie in the directories they are for: their names are seen in events. */
export const watchedRuleFiles = ['.gitignore', '.towignore', '.skyignore'];

/** A tree that is watched, and what the last look at all of it said. */
export interface Watched {
  readonly watch: SourceWatch;
  readonly walk: WalkOutput;
}

/**
 * Tells what may have changed in a source since its last scan: by watching its directories, and by looking at what
 * watching does not cover, which is the files that rules are read from, wherever they are, and files with several names
 * (writing through one of them raises an event for that name only).
 */
export class SourceWatch implements Disposable {
  readonly tree: TreeWatch;
  /** When it looked at rule files first. */
  readonly openedMs: number;
  readonly #rules: Map<string, string>;
  readonly #linked: ReadonlyMap<string, string>;

  private constructor(tree: TreeWatch, rules: readonly string[], linked: readonly string[]) {
    this.tree = tree;
    this.openedMs = Date.now();
    this.#rules = stampsOf(rules);
    this.#linked = stampsOf(linked);
  }

  /**
   * Watches every directory that is sent, or would be; undefined where that cannot be. Scan after it: what happened before
   * is not told. `onQuiet` is called when something did happen, and nothing more for a while.
   */
  static async open(
    root: string,
    directories: ReadonlyMap<RootPath, ScannedDirectory>,
    { rules, empty }: Pick<WalkOutput, 'rules' | 'empty'>,
    onQuiet?: () => void,
  ): Promise<SourceWatch | undefined> {
    const tree = TreeWatch.open(root, onQuiet);
    if (tree === undefined) return undefined;
    const turns = new Turns();
    const alone: string[] = [];
    for (const path of empty) tree.add(path);
    for (const [path, { listing }] of directories) {
      if (path === rootItself) continue;
      tree.add(path);
      if (listing.hasLinks()) alone.push(...linkedFiles(root, path, listing));
      if (turns.over) await turns.next();
    }
    if (!tree.lost && rules.inputs.length + alone.length <= maxStamps)
      return new SourceWatch(tree, rules.inputs, alone);
    tree[Symbol.dispose]();
    return undefined;
  }

  /**
   * What happened since the last call, or since it was opened, and which rule files are not what they were; undefined when
   * that cannot be told. Blocking, some milliseconds.
   */
  changes(): { readonly tree: Changes; readonly rules: readonly string[] } | undefined {
    // Before the events are taken, so that a change between the two is in one of them.
    for (const [path, stamp] of this.#linked) if (stampOf(path) !== stamp) return undefined;
    const rules = this.#changedRules();
    const tree = this.tree.take();
    return tree === undefined ? undefined : { tree, rules };
  }

  /** What rule files were when it was opened, or at the last `changes`. */
  get ruleStamps(): ReadonlyMap<string, string> {
    return this.#rules;
  }

  /** Whether all rule files are as they were when it was opened, or at the last `changes`. */
  get rulesHold(): boolean {
    return this.#changedRules().length === 0;
  }

  #changedRules(): string[] {
    const changed: string[] = [];
    for (const [path, before] of this.#rules) {
      const stamp = stampOf(path);
      if (stamp === before) continue;
      changed.push(path);
      this.#rules.set(path, stamp);
    }
    return changed;
  }

  /** Whether a change of this rule file would be seen. */
  covers(ruleFile: string): boolean {
    return this.#rules.has(ruleFile) || watchedRuleFiles.some((name) => ruleFile.endsWith(`/${name}`));
  }

  [Symbol.dispose](): void {
    this.tree[Symbol.dispose]();
  }
}

function* linkedFiles(root: string, path: RootPath, listing: ScannedDirectory['listing']): Generator<string> {
  let at = 0;
  for (const { name } of listing.texts()) {
    if (listing.linkKey(at) !== undefined) yield `${root}/${joinPath(path, name)}`;
    at += 1;
  }
}
