import { randomBytes } from 'node:crypto';

/** A name part that nobody can guess, for sockets and temporary files. */
export function freshName(): string {
  return randomBytes(6).toString('hex');
}
