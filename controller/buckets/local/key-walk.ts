import { isUtf8 } from 'node:buffer';
import { limits } from '../../../protocol/wire/limits.ts';
import type { ByteKey } from './bucket-key.ts';
import type { DirectoryNames, Names } from './directory-names.ts';
import type { Place } from './index-record.ts';
import { lowerBound, type SortedKeys } from './sorted-keys.ts';

/** A key as it was met: whether there still is an object, a look at its file tells. */
export interface Met {
  readonly key: ByteKey;
  readonly place: Place;
}

/** The keys of a bucket in order: of files, and of what lies in `odd/`. For one page: directories are read once. */
export class KeyWalk {
  readonly #names: DirectoryNames;
  readonly #root: string;
  readonly #odd: SortedKeys;
  readonly #read = new Map<ByteKey, Names>();
  /** Names met that are no keys: not UTF-8, or too long. */
  readonly #unnamed = new Set<ByteKey>();

  /** `root` is the directory of the files, latin1-held. */
  constructor(names: DirectoryNames, root: string, odd: SortedKeys) {
    this.#names = names;
    this.#root = root;
    this.#odd = odd;
  }

  /** What lies in the directories that were read and is no object. */
  get others(): number {
    let others = this.#unnamed.size;
    for (const names of this.#read.values()) others += names.others;
    return others;
  }

  /** The first key that is not below `from` and begins with `prefix`, as `from` does. */
  async seek(from: ByteKey, prefix: ByteKey): Promise<Met | undefined> {
    const file = await this.#first('', from, prefix);
    const odd = this.#odd.from(from);
    const met: Met | undefined =
      odd !== undefined && (file === undefined || odd < file)
        ? { key: odd, place: 'odd' }
        : file === undefined
          ? undefined
          : { key: file, place: 'files' };
    return met?.key.startsWith(prefix) === true ? met : undefined;
  }

  /** `directory` is '' or ends with a slash. */
  async #first(directory: ByteKey, from: ByteKey, prefix: ByteKey): Promise<ByteKey | undefined> {
    const { sorted } = await this.#namesOf(directory);
    const rest = from.startsWith(directory) ? from.slice(directory.length) : '';
    let at = lowerBound(sorted, rest);
    // What is in a directory comes after the directory's name.
    const above = sorted[at - 1];
    if (above?.endsWith('/') === true && rest.startsWith(above)) at -= 1;
    for (; at < sorted.length; at += 1) {
      const key = `${directory}${sorted[at] ?? ''}`;
      if (key > prefix && !key.startsWith(prefix)) return undefined;
      if (!key.endsWith('/')) {
        if (isKey(key)) return key;
        this.#unnamed.add(key);
        continue;
      }
      const found = await this.#first(key, from, prefix);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #namesOf(directory: ByteKey): Promise<Names> {
    const known = this.#read.get(directory);
    if (known !== undefined) return known;
    const names = await this.#names.read(`${this.#root}/${directory.slice(0, -1)}`);
    this.#read.set(directory, names);
    return names;
  }
}

function isKey(key: ByteKey): boolean {
  return key.length <= limits.keyBytes && (/^[\0-\x7f]*$/.test(key) || isUtf8(Buffer.from(key, 'latin1')));
}
