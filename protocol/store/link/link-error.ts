import { type ErrorCode, TowError, toTowError } from '../../base/errors.ts';

/** Codes of the link itself: what went wrong is none of the user's business. */
const internal: readonly ErrorCode[] = ['bad-message', 'not-supported', 'internal'];

/** What a call on a bucket rejects with, of what its link said. */
export function storeErrorOf(cause: unknown): TowError {
  const error = toTowError(cause, 'a call on a bucket');
  if (error.code === 'link-lost')
    return new TowError('store-unreachable', 'the controller cannot be reached', { cause, retryable: true });
  if (error.code === 'limit-exceeded')
    return new TowError('store-throttled', error.message, { cause, retryable: true });
  return internal.includes(error.code) ? new TowError('store-failed', error.message, { cause }) : error;
}
