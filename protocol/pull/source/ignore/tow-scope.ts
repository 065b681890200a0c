import type { IgnoreScope, Judgement } from '../ignore-scope.ts';
import { joinTo } from './repository.ts';
import type { RuleReader } from './rule-reader.ts';
import { RuleSet } from './rule-set.ts';

/**
 * The rules of `.towignore` (or `.skyignore`) files alone, which stand in for all of git's. Such a file may be a symlink:
 * it is asked for by name, so leaving it out would send what it was meant to keep back.
 */
export class TowScope implements IgnoreScope {
  readonly #directory: string;
  readonly #fileName: string;
  readonly #rules: RuleSet;
  readonly #reader: RuleReader;

  private constructor(directory: string, fileName: string, rules: RuleSet, reader: RuleReader) {
    this.#directory = directory;
    this.#fileName = fileName;
    this.#rules = rules.with(joinTo(directory, fileName), reader, { follow: true });
    this.#reader = reader;
  }

  static open(root: string, fileName: string, reader: RuleReader): TowScope {
    return new TowScope(root, fileName, RuleSet.empty(false), reader);
  }

  judge(name: string, isDir: boolean): Judgement {
    const pattern = this.#rules.match(name, isDir);
    const ignored = pattern?.negative === false;
    return { send: !ignored, walk: isDir && !ignored, verdict: { ignored, rule: pattern?.rule }, tracked: false };
  }

  enter(name: string): TowScope {
    return new TowScope(joinTo(this.#directory, name), this.#fileName, this.#rules.enter(name), this.#reader);
  }
}
