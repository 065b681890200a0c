import { errnoOf, TowError } from '../../../protocol/base/errors.ts';

/** What a call on a bucket rejects with, of whatever was thrown. */
export function storeError(error: unknown, doing: string): TowError {
  if (error instanceof TowError) return error;
  const errno = errnoOf(error);
  const full = errno === 'ENOSPC' || errno === 'EDQUOT';
  return new TowError(
    full ? 'no-space' : 'store-failed',
    `${doing}: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
      ...(full ? { hint: "free some space on the controller's disk: the bucket lies there" } : {}),
    },
  );
}
