import { errnoOf } from '../../base/errors.ts';
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

/** What is to be kept lies in the stage, which is emptied if the switch goes on: so it must not. */
export function cannotKeep(path: RootPath, cause: unknown): Error {
  const errno = errnoOf(cause) ?? '';
  const code = wholeSwitch.has(errno) ? errno : 'EIO';
  return Object.assign(new Error(`cannot keep ${displayPath(path)}`, { cause }), { code });
}
