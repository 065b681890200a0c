import { foldCase } from './glob.ts';
import { LiveList } from './live-list.ts';
import { type Pattern, parsePatterns } from './pattern.ts';
import { PatternList } from './pattern-list.ts';
import type { RuleReader } from './rule-reader.ts';

/** Where a directory of a repository (or of a tree without one) stands: the rules that count there, first come first served. */
export class RuleSet {
  readonly #lists: readonly LiveList[];
  readonly ignoreCase: boolean;

  private constructor(lists: readonly LiveList[], ignoreCase: boolean) {
    this.#lists = lists;
    this.ignoreCase = ignoreCase;
  }

  static empty(ignoreCase: boolean): RuleSet {
    return new RuleSet([], ignoreCase);
  }

  /** With the rules of a file in front, which is anchored in this directory. Symlinks are followed if `follow`. */
  with(file: string, reader: RuleReader, options: { readonly follow: boolean }): RuleSet {
    const content = reader.readText(file, options);
    if (content === undefined) return this;
    const { patterns, tooLong } = parsePatterns(content, file);
    for (const line of tooLong) reader.warn(file, `line ${line} is too long for a pattern: it is left out`);
    const live = LiveList.open(new PatternList(patterns, this.ignoreCase));
    return live === undefined ? this : new RuleSet([live, ...this.#lists], this.ignoreCase);
  }

  enter(name: string): RuleSet {
    const folded = this.fold(name);
    const lists = this.#lists.map((list) => list.enter(folded)).filter((list) => list !== undefined);
    return new RuleSet(lists, this.ignoreCase);
  }

  /** The pattern that decides on an entry of this directory. */
  match(name: string, isDir: boolean): Pattern | undefined {
    const folded = this.fold(name);
    for (const list of this.#lists) {
      const found = list.match(folded, isDir);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  fold(text: string): string {
    return this.ignoreCase ? foldCase(text) : text;
  }
}
