import { compileGlob, foldCase, type Glob, literalLength } from './glob.ts';
import type { Pattern } from './pattern.ts';

/** A pattern with a `/` in it: is compared with the path from the directory of its file. */
export class PathPattern {
  readonly pattern: Pattern;
  /** Its place in its file: later ones win. */
  readonly order: number;
  /** What every matching path starts with. */
  readonly #prefix: string;
  /** What matches the rest; undefined if there is none. */
  readonly #rest: Glob | undefined;
  /** Number of `/` in every matching path; undefined if that varies. */
  readonly slashes: number | undefined;

  private constructor(pattern: Pattern, order: number, prefix: string, rest: Glob | undefined) {
    this.pattern = pattern;
    this.order = order;
    this.#prefix = prefix;
    this.#rest = rest;
    const more = rest === undefined ? 0 : rest.slashes;
    this.slashes = more === undefined ? undefined : prefix.split('/').length - 1 + more;
  }

  /** Undefined when it can match nothing. */
  static compile(pattern: Pattern, order: number, ignoreCase: boolean): PathPattern | undefined {
    const text = pattern.text.startsWith('/') ? pattern.text.slice(1) : pattern.text;
    const length = literalLength(text);
    const prefix = ignoreCase ? foldCase(text.slice(0, length)) : text.slice(0, length);
    if (length === text.length) return new PathPattern(pattern, order, prefix, undefined);
    // git takes the rest by itself, so that in `a**/b` the stars count as if they stood at the start.
    const rest = compileGlob(text.slice(length), { path: true, ignoreCase });
    return rest === undefined ? undefined : new PathPattern(pattern, order, prefix, rest);
  }

  matches(path: string): boolean {
    if (this.#rest === undefined) return path === this.#prefix;
    return path.startsWith(this.#prefix) && this.#rest.matches(path, this.#prefix.length);
  }

  /** Whether it may match something in `directory` ('a/b/', which has `depth` slashes) or below. */
  reaches(directory: string, depth: number): boolean {
    if (this.slashes !== undefined && this.slashes < depth) return false;
    return directory.length < this.#prefix.length
      ? this.#prefix.startsWith(directory)
      : this.#rest !== undefined && directory.startsWith(this.#prefix);
  }
}
