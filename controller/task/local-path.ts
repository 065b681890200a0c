import { resolve } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';

/** Of the command line, never of the daemon. */
export interface PathContext {
  /** Absolute. */
  readonly cwd: string;
  readonly home: string | undefined;
}

/** A path as the user wrote it, made absolute: `~` is the home, the rest is relative to where tow runs. Throws `usage` without a home. */
export function localPath(path: string, { cwd, home }: PathContext): string {
  if (path !== '~' && !path.startsWith('~/')) return resolve(cwd, path);
  if (home !== undefined && home.startsWith('/')) return resolve(home, path.slice(2));
  throw new TowError('usage', `cannot find ${path}: HOME is not set`, { hint: 'set HOME, or write the path in full' });
}
