import type { RootPath } from '../../base/root-path.ts';
import type { Ledger } from './ledger.ts';
import type { Plan } from './plan.ts';

/** Directories of a root after a pull that were not there before it: one that the node had removed is another one now. */
export function newDirectories(
  plan: Plan | undefined,
  before: Ledger | undefined,
  after: Ledger | undefined,
): readonly RootPath[] {
  return [...(after?.directories.keys() ?? [])].filter(
    (path) => plan?.newDirectories.has(path) === true || before?.directories.has(path) !== true,
  );
}
