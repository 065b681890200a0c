import { joinPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import type { OpenDirectory } from './open-directory.ts';
import type { ScannedDirectory } from './scanned-directory.ts';
import { rootItself } from './tasks.ts';

/** A file that must be read. */
interface Job {
  readonly directory: OpenDirectory;
  readonly at: number;
  readonly path: RootPath;
}

/** Files from this many bytes on are told what they were: finding their cuts again is what takes long. */
const knownFromBytes = 256 << 10;

/** What files were before, by their index in `jobs`. */
export function knownLists(jobs: readonly Job[]): Map<number, ChunkList> {
  const known = new Map<number, ChunkList>();
  for (const [index, { directory, at }] of jobs.entries()) {
    const list = directory.listing.size(at) < knownFromBytes ? undefined : directory.formerly(at);
    if (list !== undefined) known.set(index, list);
  }
  return known;
}

/** Whose content a file is likely to have. */
export interface Likeness {
  readonly path: RootPath;
  readonly list: ChunkList;
}

/**
 * What a large file was; for one that is new, what another one of just its size is, for it may be a copy of that. Asks all
 * of `previous`, a few milliseconds at a time.
 */
export async function likelyContent(
  { directory, at, path }: Job,
  previous: ReadonlyMap<RootPath, ScannedDirectory>,
): Promise<Likeness | undefined> {
  const before = directory.formerly(at);
  if (before !== undefined) return { path, list: before };
  const size = directory.listing.size(at);
  const turns = new Turns();
  for (const [other, scanned] of previous) {
    if (turns.over) await turns.next();
    const { listing } = scanned;
    for (let index = 0; index < listing.count; index += 1) {
      if (listing.size(index) !== size || listing.kind(index) !== 'file') continue;
      const { name = '' } = [...listing.texts()][index] ?? {};
      const entry = scanned.directory.entries.find((one) => one.name === name);
      if (entry?.kind === 'file')
        return { path: other === rootItself ? '' : joinPath(other, name), list: entry.content };
    }
  }
  return undefined;
}
