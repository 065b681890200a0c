/**
 * Reads the names out of a git index (versions 2 to 4, SHA-1 and SHA-256), see gitformat-index(5). Directory entries of a
 * sparse index are left out: what they stand for is not in the work tree.
 */
import { TowError } from '../../../base/errors.ts';
import { readEwahBits } from './ewah-bits.ts';
import { IndexReader } from './index-reader.ts';

export interface IndexEntry {
  /** From the top of the work tree; latin1-held. Empty in a split index for an entry that only replaces one. */
  readonly path: string;
  /** The commit of a submodule. */
  readonly gitlink: boolean;
}

export interface SplitIndex {
  /** The `sharedindex.HASH` file that this index is a change of. */
  readonly base: string;
  /** Entries of the base, by position, that are gone. */
  readonly deleted: (baseEntries: number) => ReadonlySet<number>;
}

export interface GitIndex {
  readonly entries: readonly IndexEntry[];
  readonly split: SplitIndex | undefined;
}

const extendedFlag = 0x4000;
const statBytes = 24;
const modeType = 0o170000;
const directoryMode = 0o040000;
/** What no file system opens anyway; compressed names could otherwise grow without bound. */
const maxPathBytes = 4096;

/** Throws `bad-message` for bytes that are no index, or one of a version to come. */
export function parseGitIndex(bytes: Buffer, hashBytes: 20 | 32): GitIndex {
  const entries: IndexEntry[] = [];
  const split = readGitIndex(bytes, hashBytes, (names, from, to, gitlink) => {
    entries.push({ path: names.toString('latin1', from, to), gitlink });
  });
  return { entries, split };
}

/** Takes the path of an entry, which lies in `names` from `from` to `to` until it returns; `id` is where its object's name begins in the index. */
export type TakeEntry = (names: Buffer, from: number, to: number, gitlink: boolean, id: number) => void;

/** As `parseGitIndex`, without a string for each path: there may be a million. */
export function readGitIndex(bytes: Buffer, hashBytes: 20 | 32, take: TakeEntry): SplitIndex | undefined {
  const reader = new IndexReader(bytes, 0, Math.max(0, bytes.length - hashBytes));
  const signature = reader.text(4);
  const version = reader.u32();
  if (signature !== 'DIRC' || version < 2 || version > 4)
    throw new TowError('bad-message', `${JSON.stringify(signature)}, version ${version} is no index that can be read`);
  const count = reader.u32();
  const whole = Buffer.allocUnsafe(maxPathBytes);
  let length = 0;
  for (let index = 0; index < count; index += 1) {
    const start = reader.skip(statBytes);
    const mode = reader.u32() & modeType;
    reader.skip(12);
    const id = reader.skip(hashBytes);
    if ((reader.u16() & extendedFlag) !== 0 && version >= 3) reader.skip(2);
    const gitlink = mode === 0o160000;
    if (version === 4) {
      const cut = reader.offset();
      if (cut > length) throw new TowError('bad-message', `entry ${index} cuts ${cut} bytes of ${length}`);
      const [from, to] = reader.toNul();
      length = checkLength(length - cut + to - from, index);
      bytes.copy(whole, length - (to - from), from, to);
      if (mode !== directoryMode) take(whole, 0, length, gitlink, id);
    } else {
      const [from, to] = reader.toNul();
      reader.skip((8 - ((reader.at - start) % 8)) % 8);
      checkLength(to - from, index);
      if (mode !== directoryMode) take(bytes, from, to, gitlink, id);
    }
  }
  return readExtensions(bytes, reader, hashBytes);
}

function checkLength(length: number, index: number): number {
  if (length <= maxPathBytes) return length;
  throw new TowError('bad-message', `entry ${index} has a path of ${length} bytes, more than ${maxPathBytes}`);
}

/** Looks for what makes an index a split one; other extensions only save time. */
function readExtensions(bytes: Buffer, reader: IndexReader, hashBytes: number): SplitIndex | undefined {
  while (reader.left >= 8) {
    const name = reader.text(4);
    const length = reader.u32();
    const at = reader.skip(length);
    if (name !== 'link' || length < hashBytes) continue;
    const link = new IndexReader(bytes, at, at + length);
    const base = Buffer.from(link.text(hashBytes), 'latin1').toString('hex');
    if (/^0+$/.test(base)) return undefined;
    const hasBitmaps = link.left > 0;
    const bitmaps = link.at;
    return {
      base: `sharedindex.${base}`,
      deleted: (baseEntries) =>
        hasBitmaps ? readEwahBits(new IndexReader(bytes, bitmaps, at + length), baseEntries) : new Set<number>(),
    };
  }
  return undefined;
}
