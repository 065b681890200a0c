import { type Problem, TowError } from '../../base/errors.ts';
import { displayPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import type { Digest } from '../../chunk/digest.ts';
import { type Directory, directoryDigest, type Manifest, manifestDigest } from '../../chunk/manifest.ts';
import type { ScanResult } from './scan.ts';
import { rootItself } from './tasks.ts';

export interface SourceTree {
  readonly manifest: Manifest;
  readonly digest: Digest;
}

/** The manifest of what was scanned at `root`, a few milliseconds at a time. Rejects if the root itself could not be read. */
export async function newTree(
  root: string,
  { directories, problems }: Pick<ScanResult, 'directories' | 'problems'>,
): Promise<SourceTree> {
  const turns = new Turns();
  const entry = directories.get(rootItself)?.directory.entries[0];
  if (entry === undefined || entry.kind === 'unknown') throw unreadable(root, problems);
  const kept = new Map<RootPath, Directory>();
  for (const [path, { directory }] of directories) {
    if (path === rootItself) continue;
    kept.set(path, directory);
    // Digests are kept with the directories: taken here, a few at a time, so that `manifestDigest` finds them.
    directoryDigest(directory);
    if (turns.over) await turns.next();
  }
  const manifest = { root: entry, directories: kept };
  return { manifest, digest: manifestDigest(manifest) };
}

function unreadable(root: string, problems: readonly Problem[]): TowError {
  const problem = problems.find(({ path }) => path === '');
  if (problem === undefined) return new TowError('workdir-missing', `${displayPath(root)}: vanished while it was read`);
  return new TowError(problem.code, `${displayPath(root)}${problem.message}`);
}
