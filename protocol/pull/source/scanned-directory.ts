import type { RootPath } from '../../base/root-path.ts';
import type { Entry } from '../../chunk/entry.ts';
import type { Directory } from '../../chunk/manifest.ts';
import type { Listing } from './listing.ts';

/** A directory of a scan: what the file system said, and the entries that came of it. */
export interface ScannedDirectory {
  readonly path: RootPath;
  /** As it was, but for entries that must be looked at again (`Listing.distrust`). */
  readonly listing: Listing;
  /** Lacks the entries that vanished while they were read. */
  readonly directory: Directory;
}

/** What became of a file: its chunk list, another name of an earlier file, not readable. */
export type FileContent =
  | { readonly kind: 'file' | 'hardlink'; readonly content: string }
  | { readonly kind: 'unknown'; readonly content: '' };

/** The entry of a record; `file` says what became of it, for a file. */
export function entryOf(
  listing: Listing,
  index: number,
  name: string,
  text: string,
  file: FileContent | undefined,
): Entry {
  const listedKind = listing.kind(index);
  const kind = listedKind === 'file' ? (file?.kind ?? 'unknown') : listedKind;
  if (kind === 'unknown') return { kind, name, mode: 0, mtimeSec: 0, mtimeNsec: 0, size: 0, content: '' };
  const { sec, nsec } = listing.mtime(index);
  const size = kind === 'file' ? listing.size(index) : 0;
  const content = kind === 'symlink' ? text : (file?.content ?? '');
  return { kind, name, mode: listing.mode(index), mtimeSec: sec, mtimeNsec: nsec, size, content };
}
