import { displayPath, type RootPath } from '../../base/root-path.ts';

/** Of the whole switch: it stops, its journal stays, and it is run again. Any other error is a problem of one path. */
export const wholeSwitch: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'EROFS',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
]);

/** What the node made of it stays where it is. What is wanted is not at hand any more: the next pull fetches it. */
export function changedMeanwhile(path: RootPath): Error {
  return Object.assign(new Error(`${displayPath(path)} changed while it was being synced`), { code: 'ENOENT' });
}
