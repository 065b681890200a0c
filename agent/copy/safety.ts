import { TowError } from '../../protocol/base/errors.ts';
import { displayPath } from '../../protocol/base/root-path.ts';
import type { CopyLedger } from './copy-ledger.ts';

/** From this many files on, losing more than half of them is taken for a mistake, as for any root. */
const manyFiles = 100;

/** Rejects with `delete-refused` when what the bucket lacks looks like a mistake. */
export function checkCopyDeletes(
  dest: string,
  { files }: CopyLedger,
  wanted: number,
  removed: number,
  allowDelete: boolean,
): void {
  if (allowDelete || removed === 0) return;
  const refuse = (why: string): TowError =>
    new TowError('delete-refused', `refused to copy to ${displayPath(dest)}: ${why}`, {
      hint: 'if that is meant, run it again with --allow-delete',
    });
  if (wanted === 0) throw refuse(`the bucket has nothing there, the node has ${files.size} files of it`);
  if (files.size >= manyFiles && removed * 2 > files.size)
    throw refuse(`the bucket lacks ${removed} of ${files.size} files that are on the node`);
}
