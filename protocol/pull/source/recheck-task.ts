import { cancelled } from '../../base/abort.ts';
import type { RootPath } from '../../base/root-path.ts';
import { NamesBelow } from '../../libc/lstat-words.ts';
import { readStamp } from './directory-stamp.ts';
import { dirStampWords, Listing, unframeListings } from './listing.ts';
import { RecordStack } from './record-stack.ts';
import { type ChangedDirectory, type Rechecked, type RecheckInput, rootItself } from './tasks.ts';

/**
 * Which of these directories are not what they were: whole, where names may have come or gone, or by the names that are
 * something else now. Reads no names and no rules, which is most of what a walk takes. Blocking. Throws `cancelled`.
 */
export function recheck({ root, known, cancel }: RecheckInput): Rechecked {
  const bytes = Buffer.from(known.buffer, known.byteOffset, known.byteLength);
  const look = new Recheck(root, cancel);
  const changed: ChangedDirectory[] = [];
  let hasLinks = false;
  for (const frame of unframeListings(bytes)) {
    const listing = new Listing(frame.listing);
    hasLinks ||= listing.hasLinks();
    const found = look.changes(frame.path, listing);
    if (found !== undefined) changed.push({ path: frame.path, ...found });
  }
  return { changed, hasLinks };
}

class Recheck {
  readonly #root: string;
  readonly #cancel: Int32Array;
  readonly #records = new RecordStack();
  readonly #below = new NamesBelow();
  readonly #stamp = new Uint32Array(dirStampWords);
  /** The record of what was looked at last. */
  readonly #record = this.#records.first;

  constructor(root: string, cancel: Int32Array) {
    this.#root = root;
    this.#cancel = cancel;
  }

  changes(path: RootPath, listing: Listing): Omit<ChangedDirectory, 'path'> | undefined {
    if (Atomics.load(this.#cancel, 0) !== 0) throw cancelled();
    if (path === rootItself) return this.#isSame(listing, 0, this.#records.lookQuietly(this.#root)) ? undefined : {};
    const directory = path === '' ? this.#root : `${this.#root}/${path}`;
    if (!readStamp(this.#records, directory, this.#stamp) || !listing.hasStamp(this.#stamp)) return {};
    this.#below.enter(directory);
    const names: string[] = [];
    const { bytes, count } = listing;
    let from = listing.namesFrom;
    for (let index = 0; index < count; index += 1) {
      const lengths = listing.lengths(index);
      const to = from + (lengths & 0xffff);
      const kind = this.#records.lookBelow(this.#below, bytes, from, to);
      if (!this.#isSame(listing, index, kind)) names.push(bytes.toString('latin1', from, to));
      from = to + (lengths >>> 16);
    }
    return names.length === 0 ? undefined : { names };
  }

  /** Whether what was looked at last has the record. A symlink's text is not read: one with another text is another name. */
  #isSame(listing: Listing, index: number, kind: ReturnType<RecordStack['look']> | undefined): boolean {
    if (kind === undefined || kind === 'other') return false;
    const lengths = listing.lengths(index);
    this.#records.peek(kind, lengths & 0xffff, lengths >>> 16);
    return listing.hasRecord(index, this.#record);
  }
}
