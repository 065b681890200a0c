/**
 * Reads the files that decide what is ignored, and keeps a list of all it looked for, there or not, what it found, and
 * what it could not make sense of. Blocking.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { errnoOf } from '../../../base/errors.ts';
import { displayPath } from '../../../base/root-path.ts';
import { digestOf } from '../../../chunk/digest.ts';
import { joinTo } from './repository.ts';
import type { SharedNames } from './tracked-names.ts';
import type { IndexAt } from './tracked-paths.ts';

/** Larger files of rules or configuration are taken for a mistake. */
const maxRuleBytes = 8 << 20;

export interface ReadOptions {
  /** Whether a symlink is followed; git follows none in a work tree. */
  readonly follow: boolean;
  readonly maxBytes?: number;
}

/** What can be asked of a path: its bytes, not through a symlink or through one; what it is; whether it is a HEAD. */
export type Question = 'read' | 'follow' | 'kind' | 'head';

/** The names in an index as it was read. */
export interface Tracked {
  readonly index: IndexAt;
  readonly names: SharedNames;
}

/** Paths are absolute and latin1-held. */
export class RuleReader {
  readonly #inputs = new Set<string>();
  readonly #facts = new Map<string, string>();
  readonly #tracked = new Map<string, Tracked>();
  readonly #warnings = new Set<string>();
  readonly #known: ReadonlyMap<string, Tracked>;

  /** `known`: what was read of git's indexes before, by git directory. */
  constructor(known: ReadonlyMap<string, Tracked> = new Map()) {
    this.#known = known;
  }

  /** Everything looked for: any change to one of these may change any verdict. */
  inputs(): readonly string[] {
    return [...this.#inputs];
  }

  warnings(): readonly string[] {
    return [...this.#warnings];
  }

  /** What was found, short, by question and path with a blank between. While none of these changes, no verdict does. */
  facts(): ReadonlyMap<string, string> {
    return this.#facts;
  }

  /** Notes what was found by a look at `path` that other methods were not asked for. */
  note(question: Question, path: string, answer: string): void {
    this.#inputs.add(path);
    this.#facts.set(`${question} ${path}`, answer);
  }

  /** What was read of git's indexes, or known of them, by git directory. */
  tracked(): ReadonlyMap<string, Tracked> {
    return this.#tracked;
  }

  /** The names of an index that need not be read again. Verdicts hang on it all the same. */
  knownNames({ top, gitDir, hashBytes, ignoreCase }: IndexAt): SharedNames | undefined {
    const known = this.#known.get(gitDir);
    const { index } = known ?? {};
    const same = index?.top === top && index.hashBytes === hashBytes && index.ignoreCase === ignoreCase;
    if (!same) return undefined;
    // It names what it is put together from.
    this.#inputs.add(joinTo(gitDir, 'index'));
    return known?.names;
  }

  noteTracked(tracked: Tracked): void {
    this.#tracked.set(tracked.index.gitDir, tracked);
  }

  /** Notes a sentence for the user, about `path`. */
  warn(path: string, message: string): void {
    this.#warnings.add(`${displayPath(path)}: ${message}`);
  }

  /** The bytes of a regular file; undefined, with a warning if it is there, when they cannot be had. */
  read(path: string, options: ReadOptions): Buffer | undefined {
    const bytes = this.peek(path, options);
    this.note(options.follow ? 'follow' : 'read', path, bytes === undefined ? '' : digestOf(bytes));
    return bytes;
  }

  /** As `read`, for who notes by itself what it made of it. */
  peek(path: string, options: ReadOptions): Buffer | undefined {
    this.#inputs.add(path);
    const { maxBytes = maxRuleBytes } = options;
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | (options.follow ? 0 : constants.O_NOFOLLOW);
    let fd: number;
    try {
      fd = openSync(Buffer.from(path, 'latin1'), flags);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (errno === 'ELOOP' && !options.follow)
        this.warn(path, 'is a symlink, which git does not follow: it rules nothing');
      else if (errno !== 'ENOENT' && errno !== 'ENOTDIR')
        this.warn(path, `cannot be read (${errno}): it rules nothing`);
      return undefined;
    }
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return undefined;
      if (stats.size > maxBytes) {
        this.warn(path, `has ${stats.size} bytes, more than the limit of ${maxBytes}: it rules nothing`);
        return undefined;
      }
      return readAll(fd, stats.size);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      this.warn(path, `cannot be read (${errno}): it rules nothing`);
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** As `read`, latin1-held. */
  readText(path: string, options: ReadOptions): string | undefined {
    return this.read(path, options)?.toString('latin1');
  }

  /** What is at a path, symlinks followed. */
  kind(path: string): 'file' | 'dir' | undefined {
    const stats = quietly(() => statSync(Buffer.from(path, 'latin1'), { throwIfNoEntry: false }));
    const kind = stats?.isFile() === true ? 'file' : stats?.isDirectory() === true ? 'dir' : undefined;
    this.note('kind', path, kind ?? '');
    return kind;
  }

  /** The file system a path lies on; undefined if there is no telling. */
  device(path: string): number | undefined {
    return quietly(() => statSync(Buffer.from(path, 'latin1'), { throwIfNoEntry: false }))?.dev;
  }
}

function readAll(fd: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(fd, buffer, filled, size - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

/** Undefined where the file system says no. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
