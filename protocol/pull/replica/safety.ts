import { TowError } from '../../base/errors.ts';
import { displayPath, type RootPath } from '../../base/root-path.ts';
import { type Manifest, manifestTotals } from '../../chunk/manifest.ts';
import { gitPath } from './git-state.ts';
import type { Ledger } from './ledger.ts';

/** From this many files on, losing more than half of them is taken for a mistake. */
const manyFiles = 100;

/**
 * Refuses a pull that looks like a mistake (an empty source, another workdir than last time, most files gone), unless
 * the user said `--allow-delete`.
 * `removed` are the ledger's files that the switch would remove. What lies in `.git` does not count: `git gc` there turns a
 * hundred thousand objects into one pack.
 */
export function checkDeletes(
  dest: string,
  ledger: Ledger | undefined,
  manifest: Manifest,
  source: string,
  removed: readonly RootPath[],
): void {
  if (ledger === undefined) return;
  const lost = removed.filter((path) => gitPath(path) === undefined).length;
  const hint = 'if that is meant, run it again with --allow-delete';
  const refuse = (why: string): TowError =>
    new TowError('delete-refused', `refused to sync ${displayPath(dest)}: ${why}`, { hint });
  if (source !== '' && ledger.source !== '' && ledger.source !== source) {
    throw refuse(`it was synced from ${ledger.source} last time, now from ${source}`);
  }
  if (lost === 0) return;
  const had = filesOutsideGit(ledger);
  if (had > 0 && manifestTotals(manifest).files === 0)
    throw refuse(`the source is empty, the node has ${had} files of it`);
  if (had >= manyFiles && lost * 2 > had) throw refuse(`the source lacks ${lost} of ${had} files that are on the node`);
}

function filesOutsideGit({ root, directories }: Ledger): number {
  let files = root.kind === 'dir' ? 0 : 1;
  for (const { path, entries } of directories.values()) {
    if (gitPath(`${path}/x`) !== undefined) continue;
    for (const { kind } of entries) if (kind !== 'dir') files += 1;
  }
  return files;
}
