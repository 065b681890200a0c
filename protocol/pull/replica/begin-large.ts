/** Begins large files from what the root holds at their paths, or from one that begins alike, range by range. */
import { absolutePath, joinPath, type RootPath } from '../../base/root-path.ts';
import { type ChunkList, recordBytes } from '../../chunk/entry.ts';
import type { Extent } from '../../libc/libc.ts';
import type { EarlyCopies } from './early-copies.ts';
import { type Former, fillFromFormer, type Lacking, type Meanwhile } from './former-version.ts';
import { type LedgerItem, ledgerItem } from './ledger.ts';
import { PatchBudget } from './patch-file.ts';
import { noPrint, type Print } from './print.ts';
import type { ReuseOptions, Step } from './reuse.ts';
import { trustedPrint } from './trusted-print.ts';
import type { Wants } from './wants.ts';

/** A file that is not looked at chunk by chunk before it was begun from a former one. */
export interface Large extends Lacking {
  readonly path: RootPath;
  /** Of its first data chunk. */
  readonly firstOrdinal: number;
  /** Length of what it lacks. */
  readonly bytes: number;
  /** The print of what it takes the place of, if that may be patched. */
  readonly replaces: Print | undefined;
}

/** Of files that are to be patched, by path: what stays where it is. */
export type Patches = ReadonlyMap<RootPath, readonly Extent[]>;

/** Files that lack at least this many chunks are large. */
export const largeFromChunks = 256;

/**
 * Begins large files from what was at their place, or else from a file that begins alike; what they lack then is wanted.
 * `step` is called with the bytes reused after each file; what was begun `early` is taken. Returns which of them are to be patched. Blocking.
 */
export function beginLarge(
  options: ReuseOptions | undefined,
  large: readonly Large[],
  wants: Wants,
  step: Step,
  early: EarlyCopies | undefined,
  held: number[],
): Patches {
  early?.keepOnly(new Set(large.map(({ path }) => path)));
  const patches = new Map<RootPath, readonly Extent[]>();
  const budget = new PatchBudget();
  const formers = options === undefined ? new Map<Large, Former>() : formersOf(large, options);
  const meanwhile = ({ path }: Large, former: Former): Meanwhile => ({
    takeEarly: (to) => early?.take(path, former, to) ?? [],
    held,
  });
  for (const one of large) {
    const former = formers.get(one);
    const filled =
      former === undefined ? undefined : fillFromFormer(one, former, wants, budget, meanwhile(one, former));
    if (filled !== undefined) step(filled.bytes, filled.finished ? 1 : 0);
    if (filled?.kept !== undefined) patches.set(one.path, filled.kept);
    wants.add(filled?.file ?? one.file, one.firstOrdinal, filled?.left ?? one.indexes);
  }
  return patches;
}

/** For each of the files that has one. The ledger is gone through once, for those that are new at their paths. */
function formersOf(large: readonly Large[], options: ReuseOptions): Map<Large, Former> {
  const { ledger, root } = options;
  const formers = new Map<Large, Former>();
  const former = (at: RootPath, { entry, print }: LedgerItem, replaces?: Print): Former | undefined => {
    const known = trustedPrint(at, print, options);
    if (known === undefined) return undefined;
    const { content, size } = entry;
    return { where: absolutePath(root, at), content, size, print: known, replaced: known === replaces };
  };
  const beginnings = new Map<ChunkList, Large[]>();
  for (const one of large) {
    const item = ledgerItem(ledger, one.path);
    if (item?.entry.kind === 'file' && item.entry.content !== '') {
      const found = former(one.path, item, one.replaces);
      if (found !== undefined) formers.set(one, found);
    } else {
      const beginning = one.file.entry.content.slice(0, recordBytes);
      const alike = beginnings.get(beginning);
      if (alike === undefined) beginnings.set(beginning, [one]);
      else alike.push(one);
    }
  }
  if (beginnings.size === 0) return formers;
  for (const [directory, { entries, prints }] of ledger.directories) {
    for (const [at, entry] of entries.entries()) {
      if (entry.kind !== 'file' || entry.content.length < largeFromChunks * recordBytes) continue;
      const beginning = entry.content.slice(0, recordBytes);
      const alike = beginnings.get(beginning);
      if (alike === undefined) continue;
      const found = former(joinPath(directory, entry.name), { entry, print: prints[at] ?? noPrint });
      if (found === undefined) continue;
      for (const one of alike) formers.set(one, found);
      beginnings.delete(beginning);
    }
  }
  return formers;
}
