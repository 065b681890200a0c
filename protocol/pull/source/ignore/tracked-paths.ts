import { TowError } from '../../../base/errors.ts';
import { type IndexEntry, parseGitIndex } from './git-index.ts';
import { foldCase } from './glob.ts';
import { joinTo, type Repository } from './repository.ts';
import type { RuleReader } from './rule-reader.ts';

const maxIndexBytes = 1 << 30;

/** What git tracks, by path from the top of the work tree; folded if case is ignored. */
export class TrackedPaths {
  readonly #read: () => readonly IndexEntry[];
  readonly #ignoreCase: boolean;
  /** Sorted; undefined until asked for. */
  #paths: readonly string[] | undefined;
  readonly #gitlinks = new Set<string>();

  /** `read` is called when, and only if, something is asked. */
  constructor(read: () => readonly IndexEntry[], ignoreCase: boolean) {
    this.#read = read;
    this.#ignoreCase = ignoreCase;
  }

  hasFile(path: string): boolean {
    const paths = this.#sorted();
    return paths[firstAtLeast(paths, path)] === path && !this.#gitlinks.has(path);
  }

  hasGitlink(path: string): boolean {
    this.#sorted();
    return this.#gitlinks.has(path);
  }

  hasBelow(directory: string): boolean {
    const paths = this.#sorted();
    const prefix = `${directory}/`;
    return paths[firstAtLeast(paths, prefix)]?.startsWith(prefix) ?? false;
  }

  #sorted(): readonly string[] {
    if (this.#paths !== undefined) return this.#paths;
    const fold = (path: string): string => (this.#ignoreCase ? foldCase(path) : path);
    const entries = this.#read();
    for (const { path, gitlink } of entries) if (gitlink) this.#gitlinks.add(fold(path));
    const paths = entries.map(({ path }) => fold(path));
    const inOrder = paths.every((path, index) => index === 0 || (paths[index - 1] ?? '') <= path);
    this.#paths = inOrder ? paths : paths.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return this.#paths;
  }
}

/** The index of a repository, a split one put together. What cannot be read tracks nothing, with a warning. */
export function readTrackedPaths(
  repository: Repository,
  hashBytes: 20 | 32,
  reader: RuleReader,
): readonly IndexEntry[] {
  const file = joinTo(repository.gitDir, 'index');
  const bytes = reader.read(file, { follow: true, maxBytes: maxIndexBytes });
  if (bytes === undefined || bytes.length === 0) return [];
  try {
    const { entries, split } = parseGitIndex(bytes, hashBytes);
    if (split === undefined) return entries;
    const shared = joinTo(repository.gitDir, split.base);
    const base = reader.read(shared, { follow: true, maxBytes: maxIndexBytes });
    if (base === undefined) throw new TowError('bad-message', `${split.base}, which it builds on, cannot be read`);
    const baseEntries = parseGitIndex(base, hashBytes).entries;
    const deleted = split.deleted(baseEntries.length);
    return [...baseEntries.filter((_, index) => !deleted.has(index)), ...entries.filter(({ path }) => path !== '')];
  } catch (error) {
    if (!(error instanceof TowError)) throw error;
    reader.warn(file, `${error.message}: files that are tracked though a rule ignores them are not sent`);
    return [];
  }
}

/** Index of the first of the sorted `paths` that does not come before `path`. */
function firstAtLeast(paths: readonly string[], path: string): number {
  let low = 0;
  let high = paths.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((paths[middle] ?? '') < path) low = middle + 1;
    else high = middle;
  }
  return low;
}
