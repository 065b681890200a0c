/** What local sources have for a bucket: the same rules as every root has, but for `.git`, which never goes. Blocking, in a thread. */
import { realpathSync } from 'node:fs';
import type { Problem } from '../../../protocol/base/errors.ts';
import { displayPath, joinPath, type RootPath } from '../../../protocol/base/root-path.ts';
import { Listing, unframeListings } from '../../../protocol/pull/source/listing.ts';
import { openRules } from '../../../protocol/pull/source/open-rules.ts';
import { refuseNothing } from '../../../protocol/pull/source/refuse-nothing.ts';
import { missingRoot } from '../../../protocol/pull/source/resolve-root.ts';
import { rootItself, type WalkInput } from '../../../protocol/pull/source/tasks.ts';
import { walkSource } from '../../../protocol/pull/source/walk.ts';
import { keyOf, type UploadEntry, type UploadSource } from './upload-entry.ts';

export interface ListedSources {
  readonly entries: ReadonlyMap<string, UploadEntry>;
  /** Paths are of this machine: absolute. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** Throws `workdir-missing`, `nothing-to-sync`, `permission-denied` (a root itself), `cancelled`. */
export function listSources(
  sources: readonly UploadSource[],
  where: Pick<WalkInput, 'home' | 'xdgConfigHome' | 'cancel'>,
): ListedSources {
  const entries = new Map<string, UploadEntry>();
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const { root: named, name } of sources) {
    const root = realRoot(named);
    const frames: Uint8Array[] = [];
    const input = { ...where, root, sendGit: false, only: undefined, rules: '' };
    const walk = walkSource(input, openRules, (bytes) => frames.push(bytes));
    refuseNothing(root, walk);
    problems.push(...walk.problems.map((problem) => ({ ...problem, path: joinPath(root, problem.path) })));
    warnings.push(...walk.warnings);
    if (walk.skipped > 0)
      warnings.push(`${displayPath(root)}: ${walk.skipped} sockets, pipes or devices are not uploaded`);
    const add = (path: RootPath, from: Listing, at: number, text: string): void => {
      const kind = from.kind(at);
      if (kind === 'unknown') return;
      const place = keyOf(name, path, kind === 'dir');
      if (typeof place === 'string') {
        problems.push({ path: joinPath(root, path), code: 'unsafe-key', message: place });
        return;
      }
      entries.set(place.key, {
        key: place.key,
        where: path === '' ? root : `${root}/${path}`,
        kind,
        mode: from.mode(at) & 0o777,
        mtimeNs: from.mtimeNs(at),
        ctimeNs: from.ctimeNs(at),
        ino: from.ino(at),
        size: kind === 'file' ? from.size(at) : kind === 'symlink' ? text.length : 0,
        text,
        source: root,
      });
    };
    addAll(Buffer.concat(frames), name, add);
  }
  return { entries, problems, warnings };
}

function addAll(
  frames: Buffer,
  name: RootPath,
  add: (path: RootPath, from: Listing, at: number, text: string) => void,
): void {
  const empty = new Set<RootPath>();
  for (const { path, listing } of unframeListings(frames)) if (new Listing(listing).count === 0) empty.add(path);
  for (const { path, listing: bytes } of unframeListings(frames)) {
    const listing = new Listing(bytes);
    let at = 0;
    for (const { name: entryName, text } of listing.texts()) {
      const entryPath = path === rootItself ? '' : joinPath(path, entryName);
      // The top of a bucket is there without a marker.
      const sent = listing.kind(at) !== 'dir' || (empty.has(entryPath) && (entryPath !== '' || name !== ''));
      if (sent) add(entryPath, listing, at, text);
      at += 1;
    }
  }
}

/** A root that is a symlink stands for what it points to. */
function realRoot(root: string): string {
  try {
    return realpathSync(Buffer.from(root, 'latin1'), 'buffer').toString('latin1');
  } catch (error) {
    throw missingRoot(root, error);
  }
}
