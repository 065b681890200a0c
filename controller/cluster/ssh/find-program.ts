import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { TowError } from '../../../protocol/base/errors.ts';

/** Absolute path of a program on the request's own PATH. Fails with `not-supported` if it is not there. */
export async function findProgram(name: string, env: Readonly<Record<string, string>>): Promise<string> {
  const path = env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  for (const dir of path.split(':').filter(isAbsolute)) {
    const file = join(dir, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // Not in this directory: the next one may have it.
    }
  }
  throw new TowError('not-supported', `no ${name} in PATH (${path})`, { hint: `install ${name}, or put it on PATH` });
}
