import { errnoOf } from '../../base/errors.ts';
import {
  kindOfMode,
  lookInto,
  lstatInto,
  type NamesBelow,
  type ObjectKind,
  statWords,
} from '../../libc/lstat-words.ts';
import { type ListedKind, packRecordHead, recordBytes, recordWords } from './listing.ts';

/**
 * The records of a listing (listing.ts) as a walk gathers them, one behind the other, without an object for any. A stack:
 * those of a directory are put down before and after those of what is below it, which are taken off meanwhile.
 */
export class RecordStack {
  #words = new Uint32Array(1 << 16);
  #top = 0;

  /** Words that are in use; what is above is free to be looked at. */
  get top(): number {
    return this.#top;
  }

  /** Asks what is at a path (absolute, latin1-held), and keeps it on top for `push`. Throws as `lstatSync`. */
  look(path: string): ObjectKind {
    this.#makeRoom();
    lstatInto(this.#words, this.#top, path);
    return this.#kind;
  }

  /** As `look`; undefined if nothing is there, or it cannot be told. */
  lookQuietly(path: string): ObjectKind | undefined {
    this.#makeRoom();
    return quietly(() => lookInto(this.#words, this.#top, path)) ? this.#kind : undefined;
  }

  /** As `lookQuietly`, at the name in these bytes of `names`, where `below` has entered. */
  lookBelow(below: NamesBelow, names: Buffer, from: number, to: number): ObjectKind | undefined {
    this.#makeRoom();
    return quietly(() => below.look(this.#words, this.#top, names, from, to)) ? this.#kind : undefined;
  }

  /** Some words of what was looked at last; of the same memory, until the next look. */
  looked(from: number, count: number): Uint32Array {
    return this.#words.subarray(this.#top + from, this.#top + from + count);
  }

  /** Puts down what was looked at last, or nothing of what is `unknown`. */
  push(kind: ListedKind, nameLength: number, textLength: number): void {
    const [words, at] = [this.#words, this.#top];
    const mode = kind === 'unknown' ? 0 : (words[at + statWords.mode] ?? 0) & 0o7777;
    const hasTwins = (words[at + statWords.links] ?? 0) > 1;
    if (kind === 'unknown') words.fill(0, at, at + recordWords);
    // What other kinds have no use for would be taken for a change.
    else if (kind !== 'file') words.fill(0, at + statWords.ctime, at + recordWords);
    else if (!hasTwins) words.fill(0, at + statWords.dev, at + recordWords);
    packRecordHead(words, at, kind, mode, nameLength, textLength);
    this.#top += recordWords;
  }

  /** The record that `push` would put down, until the next look, in `first` while nothing was put down. */
  peek(kind: ListedKind, nameLength: number, textLength: number): void {
    this.push(kind, nameLength, textLength);
    this.#top -= recordWords;
  }

  /** The bytes of the first record: of the same memory, until there are more than some thousand. */
  get first(): Buffer {
    return Buffer.from(this.#words.buffer, 0, recordBytes);
  }

  /** Takes off all above `top`. */
  truncate(top: number): void {
    this.#top = top;
  }

  /** Bytes of those above `from`; of the same memory, until the next `look`. */
  since(from: number): Buffer {
    return Buffer.from(this.#words.buffer, 4 * from, 4 * (this.#top - from));
  }

  get #kind(): ObjectKind {
    return kindOfMode(this.#words[this.#top] ?? 0);
  }

  #makeRoom(): void {
    if (this.#top + recordWords <= this.#words.length) return;
    const grown = new Uint32Array(2 * this.#words.length);
    grown.set(this.#words);
    this.#words = grown;
  }
}

/** False where the file system says no. */
function quietly(look: () => boolean): boolean {
  try {
    return look();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
