/**
 * The paths that git tracks in one work tree, sorted, as bytes that threads share: each ends with a NUL. A repository may
 * have a million, so no string is made of any but where one is looked for.
 */
import type { IndexEntry } from './git-index.ts';

export interface SharedNames {
  /** Over a SharedArrayBuffer. */
  readonly names: Uint8Array;
  /** Those of submodules. */
  readonly gitlinks: readonly string[];
}

/** Gathers paths; `finish` sorts them if they did not come in order. */
export class NamesBuilder {
  #bytes = Buffer.allocUnsafe(1 << 16);
  #end = 0;
  #last = -1;
  #sorted = true;
  readonly #gitlinks: string[] = [];

  readonly add = (names: Buffer, from: number, to: number, gitlink: boolean): void => {
    const length = to - from + 1;
    if (this.#end + length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#end + length));
      this.#bytes.copy(grown, 0, 0, this.#end);
      this.#bytes = grown;
    }
    if (this.#last >= 0 && this.#sorted)
      this.#sorted = this.#bytes.compare(names, from, to, this.#last, this.#end - 1) <= 0;
    names.copy(this.#bytes, this.#end, from, to);
    this.#bytes[this.#end + length - 1] = 0;
    if (gitlink) this.#gitlinks.push(names.toString('latin1', from, to));
    this.#last = this.#end;
    this.#end += length;
  };

  addEntry({ path, gitlink }: IndexEntry): void {
    this.add(Buffer.from(path, 'latin1'), 0, path.length, gitlink);
  }

  finish(): SharedNames {
    const gitlinks = this.#gitlinks.sort();
    let bytes = this.#bytes.subarray(0, this.#end);
    if (!this.#sorted) {
      const paths = bytes.toString('latin1').split('\0').slice(0, -1);
      bytes = Buffer.from(`${paths.sort().join('\0')}\0`, 'latin1');
    }
    const names = new Uint8Array(new SharedArrayBuffer(bytes.length));
    names.set(bytes);
    return { names, gitlinks };
  }
}

export function sameNames(a: SharedNames, b: SharedNames): boolean {
  if (a.names.buffer === b.names.buffer) return true;
  return a.gitlinks.join('\0') === b.gitlinks.join('\0') && bytesOf(a).equals(bytesOf(b));
}

function bytesOf({ names }: SharedNames): Buffer {
  return Buffer.from(names.buffer, names.byteOffset, names.byteLength);
}

/** Paths that only one of two has; undefined when there are more than `most`, or submodules differ. */
export function differingNames(a: SharedNames, b: SharedNames, most: number): string[] | undefined {
  if (sameNames(a, b)) return [];
  if (a.gitlinks.join('\0') !== b.gitlinks.join('\0')) return undefined;
  const [one, other] = [new Cursor(bytesOf(a)), new Cursor(bytesOf(b))];
  const paths: string[] = [];
  while (paths.length <= most) {
    if (one.done && other.done) return paths;
    const order = one.compare(other);
    if (order !== 0) paths.push((order < 0 ? one : other).text());
    if (order <= 0) one.next();
    if (order >= 0) other.next();
  }
  return undefined;
}

class Cursor {
  readonly #bytes: Buffer;
  #from = 0;
  #to: number;

  constructor(names: Buffer) {
    this.#bytes = names;
    this.#to = this.#bytes.indexOf(0);
  }

  get done(): boolean {
    return this.#from >= this.#bytes.length;
  }

  /** Beyond the end counts as after everything. */
  compare(other: Cursor): number {
    if (this.done || other.done) return Number(this.done) - Number(other.done);
    return this.#bytes.compare(other.#bytes, other.#from, other.#to, this.#from, this.#to);
  }

  text(): string {
    return this.#bytes.toString('latin1', this.#from, this.#to);
  }

  next(): void {
    this.#from = this.#to + 1;
    this.#to = this.#bytes.indexOf(0, this.#from);
  }
}
