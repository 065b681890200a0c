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

interface SplitIndex {
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
/** What no file system opens anyway; compressed names could otherwise grow without bound. */
const maxPathBytes = 4096;

/** Throws `bad-message` for bytes that are no index, or one of a version to come. */
export function parseGitIndex(bytes: Buffer, hashBytes: 20 | 32): GitIndex {
  const reader = new IndexReader(bytes, 0, Math.max(0, bytes.length - hashBytes));
  const signature = reader.text(4);
  const version = reader.u32();
  if (signature !== 'DIRC' || version < 2 || version > 4)
    throw new TowError('bad-message', `${JSON.stringify(signature)}, version ${version} is no index that can be read`);
  const count = reader.u32();
  const entries: IndexEntry[] = [];
  let path = '';
  for (let index = 0; index < count; index += 1) {
    const start = reader.skip(statBytes);
    const mode = reader.u32() & modeType;
    reader.skip(12 + hashBytes);
    if ((reader.u16() & extendedFlag) !== 0 && version >= 3) reader.skip(2);
    if (version === 4) {
      const cut = reader.offset();
      if (cut > path.length) throw new TowError('bad-message', `entry ${index} cuts ${cut} bytes of ${path.length}`);
      path = path.slice(0, path.length - cut) + reader.textToNul();
    } else {
      path = reader.textToNul();
      reader.skip((8 - ((reader.at - start) % 8)) % 8);
    }
    if (path.length > maxPathBytes)
      throw new TowError('bad-message', `entry ${index} has a path of ${path.length} bytes, more than ${maxPathBytes}`);
    if (mode !== 0o040000) entries.push({ path, gitlink: mode === 0o160000 });
  }
  return { entries, split: readExtensions(bytes, reader, hashBytes) };
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
