import { TowError } from '../../base/errors.ts';
import { displayPath } from '../../base/root-path.ts';
import type { WalkOutput } from './tasks.ts';

/** Throws `nothing-to-sync` when the rules ignore all that a root (latin1-held) has. */
export function refuseNothing(
  root: string,
  { files, ignored, firstRule }: Pick<WalkOutput, 'files' | 'ignored' | 'firstRule'>,
): void {
  if (files > 0 || ignored === 0) return;
  const rule = firstRule === undefined ? '' : `: ${firstRule.file}:${firstRule.line} (${firstRule.pattern})`;
  throw new TowError('nothing-to-sync', `${displayPath(root)}: the ignore rules leave nothing to sync${rule}`, {
    hint: 'change that rule, or put a .towignore in the directory, which replaces all of them',
  });
}
