import { joinPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import { Listing, unframeListings } from './listing.ts';
import { rootItself } from './tasks.ts';

/** A path that would be sent. */
export interface SentPath {
  readonly path: RootPath;
  readonly size: number;
}

/** What the listings of a walk name, in path order. A few milliseconds at a time. */
export async function sentPaths(frames: readonly Buffer[]): Promise<SentPath[]> {
  const turns = new Turns();
  const paths: SentPath[] = [];
  for (const frame of frames) {
    for (const { path, listing } of unframeListings(frame)) {
      paths.push(...listed(path, new Listing(listing)));
      if (turns.over) await turns.next();
    }
  }
  return paths.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function* listed(directory: RootPath, listing: Listing): Generator<SentPath, void, void> {
  if (directory === rootItself && listing.kind(0) === 'dir') return;
  let at = 0;
  for (const { name } of listing.texts()) {
    const path = directory === rootItself ? '' : joinPath(directory, name);
    if (listing.kind(at) !== 'dir') yield { path, size: listing.size(at) };
    at += 1;
  }
}
