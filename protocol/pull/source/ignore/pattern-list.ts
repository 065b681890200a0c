import { compileGlob, foldCase, type Glob, literalLength } from './glob.ts';
import { PathPattern } from './path-pattern.ts';
import type { Pattern } from './pattern.ts';

/** A pattern and its place in its file: later ones win. */
interface Ordered {
  readonly pattern: Pattern;
  readonly order: number;
}

/**
 * The patterns of one file, sorted by how they are found: those that are a plain name, those that are `*` and an end,
 * other patterns of names, patterns of paths. Names and paths are given in lower case (`foldCase`) if case is ignored.
 */
export class PatternList {
  readonly #names = new Map<string, Ordered[]>();
  /** By the code of their last byte; latest first, as are the lists of globs. */
  readonly #ends = new Map<number, (Ordered & { readonly end: string })[]>();
  readonly #globs: (Ordered & { readonly prefix: string; readonly glob: Glob })[] = [];
  /** Latest first. */
  readonly paths: readonly PathPattern[];
  /** Whether any pattern is compared with names. */
  readonly hasNames: boolean;

  constructor(patterns: readonly Pattern[], ignoreCase: boolean) {
    const paths: PathPattern[] = [];
    for (let order = patterns.length - 1; order >= 0; order -= 1) {
      const pattern = patterns[order];
      if (pattern === undefined) continue;
      if (pattern.nameOnly) this.#addName({ pattern, order }, ignoreCase);
      else {
        const path = PathPattern.compile(pattern, order, ignoreCase);
        if (path !== undefined) paths.push(path);
      }
    }
    this.paths = paths;
    this.hasNames = this.#names.size + this.#ends.size + this.#globs.length > 0;
  }

  #addName({ pattern, order }: Ordered, ignoreCase: boolean): void {
    const { text } = pattern;
    const fold = (part: string): string => (ignoreCase ? foldCase(part) : part);
    const length = literalLength(text);
    if (length === text.length) push(this.#names, fold(text), { pattern, order });
    else if (text.length > 1 && text.startsWith('*') && literalLength(text.slice(1)) === text.length - 1) {
      const end = fold(text.slice(1));
      push(this.#ends, end.charCodeAt(end.length - 1), { pattern, order, end });
    } else {
      const glob = compileGlob(text.slice(length), { path: false, ignoreCase });
      if (glob !== undefined) this.#globs.push({ pattern, order, prefix: fold(text.slice(0, length)), glob });
    }
  }

  /**
   * The last pattern to match an entry. `path` is its path from the directory of the file, `paths` those of the path
   * patterns that may match there, latest first.
   */
  match(name: string, path: string, isDir: boolean, paths: readonly PathPattern[]): Pattern | undefined {
    let best: Ordered | undefined;
    const later = (found: Ordered): boolean => best === undefined || found.order > best.order;
    for (const found of this.#names.get(name) ?? []) {
      if (!later(found)) break;
      if (isDir || !found.pattern.dirOnly) best = found;
    }
    for (const found of this.#ends.get(name.charCodeAt(name.length - 1)) ?? []) {
      if (!later(found)) break;
      if ((isDir || !found.pattern.dirOnly) && name.endsWith(found.end)) best = found;
    }
    for (const found of this.#globs) {
      if (!later(found)) break;
      if (found.pattern.dirOnly && !isDir) continue;
      if (name.startsWith(found.prefix) && found.glob.matches(name, found.prefix.length)) best = found;
    }
    for (const found of paths) {
      if (!later(found)) break;
      if ((isDir || !found.pattern.dirOnly) && found.matches(path)) best = found;
    }
    return best?.pattern;
  }
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
