import { TowError } from '../../../protocol/base/errors.ts';
import type { Storage } from '../../task/task.ts';

/** Throws `bucket-taken` or `bucket-missing` when what is there does not fit what a task says. */
export function refuseBucket(storage: Storage, name: string, shown: string, exists: boolean, made: boolean): void {
  if (made || storage.source !== undefined) return;
  if (exists) {
    throw new TowError('bucket-taken', `${shown}: there is such a bucket, and tow did not make it`, {
      hint: `take another name for a new one; to use this one, write source: ${shown.split(' ')[0] ?? shown} instead of name:`,
    });
  }
  if (storage.mode !== 'COPY') return;
  throw new TowError('bucket-missing', `storage ${name} is new, and mode COPY has nothing to copy from it`, {
    hint: 'give it a source:, or mount it with mode: MOUNT',
  });
}

/** Says of a bucket that one may not look at what can be done. */
export async function explainForbidden<T>(name: string, shown: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof TowError) || error.code !== 'store-forbidden') throw error;
    throw new TowError('store-forbidden', `${shown}: access is denied; it may be somebody else's`, {
      cause: error,
      hint: `take another name than ${name}, or credentials that may use it (AWS_PROFILE)`,
    });
  }
}
