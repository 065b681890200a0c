import { type ErrorCode, errnoOf, TowError } from '../../base/errors.ts';

const codes: Readonly<Record<string, ErrorCode>> = {
  NoSuchBucket: 'bucket-missing',
  NoSuchKey: 'object-missing',
  NotFound: 'object-missing',
  PreconditionFailed: 'object-changed',
  ConditionalRequestConflict: 'object-changed',
  BucketAlreadyExists: 'bucket-taken',
  AccessDenied: 'store-forbidden',
  AllAccessDisabled: 'credentials-refused',
  InvalidObjectState: 'not-supported',
  AccountProblem: 'credentials-refused',
  InvalidAccessKeyId: 'credentials-refused',
  InvalidToken: 'credentials-refused',
  RequestTimeTooSkewed: 'credentials-refused',
  SignatureDoesNotMatch: 'credentials-refused',
  ExpiredToken: 'credentials-expired',
  ExpiredTokenException: 'credentials-expired',
  TokenRefreshRequired: 'credentials-expired',
  CredentialsProviderError: 'credentials-missing',
  SlowDown: 'store-throttled',
  Throttling: 'store-throttled',
  ThrottlingException: 'store-throttled',
  RequestLimitExceeded: 'store-throttled',
  TooManyRequests: 'store-throttled',
  RequestTimeout: 'store-unreachable',
  TimeoutError: 'store-unreachable',
  InternalError: 'store-unreachable',
};

const byStatus: Readonly<Record<number, ErrorCode>> = {
  403: 'store-forbidden',
  404: 'object-missing',
  412: 'object-changed',
  429: 'store-throttled',
  500: 'store-unreachable',
  502: 'store-unreachable',
  503: 'store-throttled',
  504: 'store-unreachable',
};

const hints: Partial<Record<ErrorCode, string>> = {
  'store-forbidden': 'ask whoever owns the bucket for access, or use other credentials (AWS_PROFILE)',
  'credentials-expired': 'log in again (aws sso login), or renew the keys',
  'credentials-refused': 'correct the credentials, or use others (AWS_PROFILE)',
  'credentials-missing': 'set AWS_PROFILE or AWS_ACCESS_KEY_ID, or write ~/.aws/credentials',
  'bucket-missing': "correct the bucket's name; a storage with name: makes its bucket",
};

const hintsByName: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'the service does not know this access key: correct the credentials',
  SignatureDoesNotMatch: 'the secret key does not belong to this access key: correct the credentials',
  RequestTimeTooSkewed: 'set the clock: it is too far from that of the service',
  InvalidObjectState: 'the object is in an archive: restore it first',
  PermanentRedirect: 'the bucket is in another region: set AWS_REGION to it',
  AuthorizationHeaderMalformed: 'the bucket is in another region: set AWS_REGION to it',
};

/** What the SDK threw, as an error of ours. `doing` names the bucket and the key. Secrets are in none of the SDK's messages. */
export function s3Error(error: unknown, doing: string): TowError {
  if (error instanceof TowError) return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'AbortError') return new TowError('cancelled', 'cancelled');
  const status = statusOf(error);
  const code =
    codes[name] ??
    (status === undefined ? undefined : byStatus[status]) ??
    (isNetwork(error) ? 'store-unreachable' : 'store-failed');
  const hint = hintsByName[name] ?? (status === undefined ? networkHint(error) : undefined) ?? hints[code];
  const words = isTlsToPlain(error)
    ? 'no TLS is spoken there'
    : error instanceof Error && error.message !== '' && error.message !== 'UnknownError'
      ? error.message
      : name;
  return new TowError(code, `${doing}: ${ownWords[code] ?? (status === undefined ? words : `${words} (${status})`)}`, {
    cause:
      error instanceof Error ? new Error(`${name}${status === undefined ? '' : ` (${status})`}: ${words}`) : undefined,
    retryable: code === 'store-throttled' || code === 'store-unreachable',
    ...(hint === undefined ? {} : { hint }),
  });
}

const ownWords: Partial<Record<ErrorCode, string>> = {
  'bucket-missing': 'there is no such bucket',
  'bucket-taken': 'somebody else has a bucket of this name',
  'object-missing': 'there is no such object',
  'object-changed': 'the object was replaced meanwhile',
  'store-forbidden': 'access is denied',
  'store-throttled': 'the service asks to go slower',
  'credentials-missing': 'no credentials were found',
  'credentials-expired': 'the credentials have ended',
  'credentials-refused': 'the service does not take the credentials',
};

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  return typeof metadata === 'object' &&
    metadata !== null &&
    'httpStatusCode' in metadata &&
    typeof metadata.httpStatusCode === 'number'
    ? metadata.httpStatusCode
    : undefined;
}

/** OpenSSL's words for an answer that is none of TLS. */
function isTlsToPlain(error: unknown): boolean {
  return errnoOf(error) === 'EPROTO' && error instanceof Error && error.message.includes('wrong version number');
}

/** The endpoint is what a user can have written wrong. */
function networkHint(error: unknown): string | undefined {
  if (isTlsToPlain(error))
    return 'write the endpoint with http:// (AWS_ENDPOINT_URL, or endpoint_url in ~/.aws/config)';
  return ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'].includes(errnoOf(error) ?? '')
    ? 'correct the endpoint (AWS_ENDPOINT_URL, or endpoint_url in ~/.aws/config), or look at the network'
    : undefined;
}

/** System errors of sockets and names, and those of the HTTP parser. */
function isNetwork(error: unknown): boolean {
  if (errnoOf(error) !== undefined) return true;
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('HPE_');
}
