import { expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { s3Error } from '../../../protocol/store/s3/s3-error.ts';

function thrown(name: string, status?: number, extra: object = {}): Error {
  return Object.assign(new Error('words'), {
    name,
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
    ...extra,
  });
}

test.each([
  ['NoSuchBucket', 404, 'bucket-missing', false],
  ['NoSuchKey', 404, 'object-missing', false],
  ['NotFound', 404, 'object-missing', false],
  ['PreconditionFailed', 412, 'object-changed', false],
  ['AccessDenied', 403, 'store-forbidden', false],
  ['InvalidAccessKeyId', 403, 'credentials-refused', false],
  ['SignatureDoesNotMatch', 403, 'credentials-refused', false],
  ['InvalidToken', 400, 'credentials-refused', false],
  ['AccountProblem', 403, 'credentials-refused', false],
  ['RequestTimeTooSkewed', 403, 'credentials-refused', false],
  ['InvalidObjectState', 403, 'not-supported', false],
  ['ExpiredToken', 400, 'credentials-expired', false],
  ['ExpiredToken', 403, 'credentials-expired', false],
  ['SlowDown', 503, 'store-throttled', true],
  ['InternalError', 500, 'store-unreachable', true],
  ['RequestTimeout', 400, 'store-unreachable', true],
  ['PermanentRedirect', 301, 'store-failed', false],
  ['UnknownError', 403, 'store-forbidden', false],
  ['UnknownError', 404, 'object-missing', false],
  ['UnknownError', 429, 'store-throttled', true],
  ['UnknownError', 500, 'store-unreachable', true],
  ['UnknownError', 502, 'store-unreachable', true],
  ['UnknownError', 503, 'store-throttled', true],
  ['UnknownError', 418, 'store-failed', false],
])('%s with %i is %s', (name, status, code, retryable) => {
  const error = s3Error(thrown(name, status), 's3://b/k');
  expect([error.code, error.retryable]).toEqual([code, retryable]);
  expect(error.message).toMatch(/^s3:\/\/b\/k: /);
});

test.each(['ECONNRESET', 'ECONNREFUSED', 'ENOTFOUND', 'EPIPE', 'HPE_INVALID_CONSTANT'])('%s may pass', (code) => {
  const error = s3Error(thrown('Error', undefined, { code }), 's3://b');
  expect([error.code, error.retryable]).toEqual(['store-unreachable', true]);
});

test('an endpoint that is not there, or speaks no TLS, is named with where it is written', () => {
  const refused = s3Error(thrown('Error', undefined, { code: 'ECONNREFUSED' }), 's3://b');
  expect(refused.hint).toContain('AWS_ENDPOINT_URL');
  const plain = s3Error(
    Object.assign(
      new Error('write EPROTO C056:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../x.c:350:\n'),
      {
        code: 'EPROTO',
      },
    ),
    's3://b',
  );
  expect([plain.message, plain.hint]).toEqual(['s3://b: no TLS is spoken there', expect.stringContaining('http://')]);
});

test('silence may pass, a certificate that is not trusted does not', () => {
  expect(s3Error(thrown('TimeoutError'), 's3://b').retryable).toBe(true);
  expect(s3Error(thrown('Error', undefined, { code: 'CERT_HAS_EXPIRED' }), 's3://b').code).toBe('store-failed');
});

test('an abort is a cancellation, an error of ours stays what it is', () => {
  expect(s3Error(thrown('AbortError'), 's3://b').code).toBe('cancelled');
  const ours = new TowError('internal', 'ours');
  expect(s3Error(ours, 's3://b')).toBe(ours);
});

test('a wrong region says which variable is to be set', () => {
  expect(s3Error(thrown('AuthorizationHeaderMalformed', 400), 's3://b').hint).toContain('AWS_REGION');
});
