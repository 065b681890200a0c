import { TowError } from '../../../base/errors.ts';
import { parseGitIndex, readGitIndex } from './git-index.ts';
import { foldCase } from './glob.ts';
import { joinTo } from './repository.ts';
import type { RuleReader } from './rule-reader.ts';
import { NamesBuilder, type SharedNames } from './tracked-names.ts';

const maxIndexBytes = 1 << 30;
const slashByte = 0x2f;
/** The character behind the slash: all that is below a directory comes before it. */
const afterSlash = '0';

/** Of one directory, by name. */
export interface TrackedNames {
  readonly files: ReadonlySet<string>;
  readonly gitlinks: ReadonlySet<string>;
  /** With something tracked below them. */
  readonly directories: ReadonlySet<string>;
}

/** What git tracks, by path from the top of the work tree; folded if case is ignored. */
export class TrackedPaths {
  readonly #read: () => SharedNames;
  #names: { readonly bytes: Buffer; readonly gitlinks: ReadonlySet<string> } | undefined;

  /** `read` is called when, and only if, something is asked. */
  constructor(read: () => SharedNames) {
    this.#read = read;
  }

  /** What is tracked in a directory; `below` is '' or 'a/b/'. Passes over what is further down without looking at it. */
  in(below: string): TrackedNames {
    const { bytes, gitlinks } = this.#loaded();
    const found = { files: new Set<string>(), gitlinks: new Set<string>(), directories: new Set<string>() };
    const prefix = Buffer.from(below, 'latin1');
    let at = firstAtLeast(bytes, prefix);
    for (;;) {
      const from = at + prefix.length;
      if (from >= bytes.length || bytes.compare(prefix, 0, prefix.length, at, from) !== 0) return found;
      const end = bytes.indexOf(0, from);
      const length = bytes.subarray(from, end).indexOf(slashByte);
      if (length >= 0) {
        const name = bytes.toString('latin1', from, from + length);
        found.directories.add(name);
        at = firstAtLeast(bytes, Buffer.from(`${below}${name}${afterSlash}`, 'latin1'), end + 1);
        continue;
      }
      const name = bytes.toString('latin1', from, end);
      if (gitlinks.has(below + name)) found.gitlinks.add(name);
      else found.files.add(name);
      at = end + 1;
    }
  }

  #loaded(): { readonly bytes: Buffer; readonly gitlinks: ReadonlySet<string> } {
    if (this.#names === undefined) {
      const { names, gitlinks } = this.#read();
      const bytes = Buffer.from(names.buffer, names.byteOffset, names.byteLength);
      this.#names = { bytes, gitlinks: new Set(gitlinks) };
    }
    return this.#names;
  }
}

export interface IndexAt {
  /** The work tree. */
  readonly top: string;
  readonly gitDir: string;
  readonly hashBytes: 20 | 32;
  readonly ignoreCase: boolean;
}

/** The index of a repository, a split one put together. What cannot be read tracks nothing, with a warning. */
export function readTrackedPaths({ gitDir, hashBytes, ignoreCase }: IndexAt, reader: RuleReader): SharedNames {
  const file = joinTo(gitDir, 'index');
  const bytes = reader.peek(file, { follow: true, maxBytes: maxIndexBytes });
  if (bytes === undefined || bytes.length === 0) return new NamesBuilder().finish();
  try {
    if (ignoreCase) return folded(bytes, hashBytes, gitDir, reader);
    const names = new NamesBuilder();
    const split = readGitIndex(bytes, hashBytes, names.add);
    return split === undefined ? names.finish() : inParts(bytes, hashBytes, gitDir, reader).finish();
  } catch (error) {
    if (!(error instanceof TowError)) throw error;
    reader.warn(file, `${error.message}: files that are tracked though a rule ignores them are not sent`);
    return new NamesBuilder().finish();
  }
}

function inParts(bytes: Buffer, hashBytes: 20 | 32, gitDir: string, reader: RuleReader): NamesBuilder {
  const names = new NamesBuilder();
  const { entries, split } = parseGitIndex(bytes, hashBytes);
  if (split !== undefined) {
    const base = reader.peek(joinTo(gitDir, split.base), { follow: true, maxBytes: maxIndexBytes });
    if (base === undefined) throw new TowError('bad-message', `${split.base}, which it builds on, cannot be read`);
    const baseEntries = parseGitIndex(base, hashBytes).entries;
    const deleted = split.deleted(baseEntries.length);
    baseEntries.forEach((entry, at) => {
      if (!deleted.has(at)) names.addEntry(entry);
    });
  }
  // Without a path it only replaces one of the base.
  for (const entry of entries) if (entry.path !== '') names.addEntry(entry);
  return names;
}

function folded(bytes: Buffer, hashBytes: 20 | 32, gitDir: string, reader: RuleReader): SharedNames {
  const { names, gitlinks } = inParts(bytes, hashBytes, gitDir, reader).finish();
  const fold = new NamesBuilder();
  const links = new Set(gitlinks);
  for (const path of Buffer.from(names.buffer).toString('latin1').split('\0').slice(0, -1))
    fold.addEntry({ path: foldCase(path), gitlink: links.has(path) });
  return fold.finish();
}

/** Where the first of the sorted names begins, from `start` on, that does not come before `path`. */
function firstAtLeast(names: Buffer, path: Buffer, start = 0): number {
  let low = start;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const from = middle === 0 ? 0 : names.lastIndexOf(0, middle - 1) + 1;
    const to = names.indexOf(0, middle);
    if (names.compare(path, 0, path.length, from, to) < 0) low = to + 1;
    else high = from;
  }
  return low;
}
