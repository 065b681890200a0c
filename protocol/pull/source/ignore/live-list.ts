import type { PathPattern } from './path-pattern.ts';
import type { Pattern } from './pattern.ts';
import type { PatternList } from './pattern-list.ts';

/** The patterns of a file as they stand in one directory: path patterns that cannot match there any more are left out. */
export class LiveList {
  readonly #list: PatternList;
  /** The way here from the directory of the file: '' or 'a/b/', folded if case is ignored. */
  readonly #directory: string;
  /** Those that may match in this directory or below. */
  readonly #paths: readonly PathPattern[];
  /** Those that may match an entry of this directory. */
  readonly #here: readonly PathPattern[];

  private constructor(list: PatternList, directory: string, paths: readonly PathPattern[]) {
    const depth = directory.split('/').length - 1;
    this.#list = list;
    this.#directory = directory;
    this.#paths = paths.length === 0 ? paths : paths.filter((path) => path.reaches(directory, depth));
    this.#here = this.#paths.filter(({ slashes }) => slashes === undefined || slashes === depth);
  }

  /** In the directory of the file; undefined when it has no patterns. */
  static open(list: PatternList): LiveList | undefined {
    return LiveList.#unlessDead(new LiveList(list, '', list.paths));
  }

  /** In a directory below; undefined when nothing can match there. */
  enter(name: string): LiveList | undefined {
    return LiveList.#unlessDead(new LiveList(this.#list, `${this.#directory}${name}/`, this.#paths));
  }

  static #unlessDead(live: LiveList): LiveList | undefined {
    return live.#list.hasNames || live.#paths.length > 0 ? live : undefined;
  }

  match(name: string, isDir: boolean): Pattern | undefined {
    const path = this.#here.length === 0 ? name : this.#directory + name;
    return this.#list.match(name, path, isDir, this.#here);
  }
}
