import { TowError } from '../../base/errors.ts';
import { displayPath } from '../../base/root-path.ts';
import { type Manifest, manifestTotals } from '../../chunk/manifest.ts';
import { type Ledger, ledgerManifest } from './ledger.ts';

/** From this many files on, losing more than half of them is taken for a mistake. */
const manyFiles = 100;

/**
 * Refuses a pull that looks like a mistake (an empty source, another workdir than last time, most files gone), unless
 * the user said `--allow-delete`. `lost` is the number of ledger files that the switch would remove.
 */
export function checkDeletes(
  dest: string,
  ledger: Ledger | undefined,
  manifest: Manifest,
  source: string,
  lost: number,
): void {
  if (ledger === undefined) return;
  const had = manifestTotals(ledgerManifest(ledger)).files;
  const hint = 'if that is meant, run it again with --allow-delete';
  const refuse = (why: string): TowError =>
    new TowError('delete-refused', `refused to sync ${displayPath(dest)}: ${why}`, { hint });
  if (source !== '' && ledger.source !== '' && ledger.source !== source) {
    throw refuse(`it was synced from ${ledger.source} last time, now from ${source}`);
  }
  if (had > 0 && lost > 0 && manifestTotals(manifest).files === 0)
    throw refuse(`the source is empty, the node has ${had} files of it`);
  if (had >= manyFiles && lost * 2 > had) throw refuse(`the source lacks ${lost} of ${had} files that are on the node`);
}
