import { TowError, toTowError } from '../../base/errors.ts';

/** What a call on a bucket rejects with, of what its link said. */
export function storeErrorOf(cause: unknown): TowError {
  const error = toTowError(cause, 'a call on a bucket');
  switch (error.code) {
    case 'link-lost':
      return new TowError('store-unreachable', 'the controller cannot be reached', { cause, retryable: true });
    case 'limit-exceeded':
      return new TowError('store-throttled', error.message, { cause, retryable: true });
    case 'bad-message':
    case 'not-supported':
    case 'internal':
      return new TowError('store-failed', error.message, { cause });
    default:
      return error;
  }
}
