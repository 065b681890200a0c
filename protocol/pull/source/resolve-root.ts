import { realpath } from 'node:fs/promises';
import { codeOfErrno, errnoOf, TowError } from '../../base/errors.ts';
import { displayPath } from '../../base/root-path.ts';

/** A root that is a symlink stands for what it points to. Latin1-held. Rejects with `workdir-missing`, `permission-denied`. */
export async function resolveRoot(root: string): Promise<string> {
  try {
    return (await realpath(Buffer.from(root, 'latin1'), 'buffer')).toString('latin1');
  } catch (error) {
    throw missingRoot(root, error);
  }
}

/** What a system error on the root itself means. */
export function missingRoot(root: string, error: unknown): TowError {
  const errno = errnoOf(error) ?? 'EIO';
  const absent = errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP';
  const message = `${displayPath(root)}: ${absent ? 'does not exist' : `cannot be read (${errno})`}`;
  return new TowError(absent ? 'workdir-missing' : codeOfErrno(errno), message, { cause: error });
}
