import { expect, test } from 'vitest';
import { nodeCredentialsError } from '../../../protocol/store/gcs/credentials.ts';
import { downloadHead } from '../../../protocol/store/gcs/download-head.ts';
import { parseRefusal, refusalError } from '../../../protocol/store/gcs/refusal.ts';

const json = (reason: string, message = 'm'): string =>
  JSON.stringify({ error: { code: 1, message, errors: [{ message, domain: 'global', reason }] } });
const xml = (code: string): string =>
  `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>m</Message></Error>`;
const key = 'the bucket/x';

test.each([
  ['a login that ended', 401, json('authError'), {}, 'credentials-expired', false],
  ['no login', 401, json('required'), { anonymous: true }, 'credentials-missing', false],
  ['no login, by XML', 403, xml('AccessDenied'), { anonymous: true }, 'credentials-missing', false],
  ['not allowed', 403, json('forbidden'), {}, 'store-forbidden', false],
  ['not allowed, by XML', 403, xml('AccessDenied'), { key }, 'store-forbidden', false],
  ['slower, as a 403', 403, json('userRateLimitExceeded'), {}, 'store-throttled', true],
  ['slower', 429, json('rateLimitExceeded'), {}, 'store-throttled', true],
  ['no object', 404, json('notFound', `No such object: b/${key}`), { key }, 'object-missing', false],
  ['no object, by XML', 404, xml('NoSuchKey'), { key }, 'object-missing', false],
  ['no object, in other words', 404, 'Not Found', { key }, 'object-missing', false],
  ['no bucket', 404, json('notFound', 'The specified bucket does not exist.'), { key }, 'bucket-missing', false],
  ['no bucket, by XML', 404, xml('NoSuchBucket'), { key }, 'bucket-missing', false],
  ['no bucket, asked for itself', 404, json('notFound', 'Not Found'), {}, 'bucket-missing', false],
  ['a condition', 412, json('conditionNotMet'), { key }, 'object-changed', false],
  ['a condition, by XML', 412, xml('PreconditionFailed'), { key }, 'object-changed', false],
  ['a condition of a read', 304, '', { key }, 'object-changed', false],
  ['too slow', 408, '', {}, 'store-unreachable', true],
  ['broken', 500, json('backendError'), {}, 'store-unreachable', true],
  ['down, by a proxy', 503, '<html>sorry</html>', {}, 'store-unreachable', true],
  ['nonsense', 400, json('invalid'), {}, 'store-failed', false],
  ['not empty', 409, json('conflict'), {}, 'store-failed', false],
  ['moved', 302, '', {}, 'store-failed', false],
] as const)('%s', (_name, status, body, asked, code, retryable) => {
  const error = refusalError(parseRefusal(status, body), { bucket: 'b', anonymous: false, ...asked });
  expect([error.code, error.retryable]).toEqual([code, retryable]);
  expect(error.message).toContain('gs://b');
});

test('a key cannot drive a terminal', () => {
  const { message } = refusalError(parseRefusal(412, ''), { bucket: 'b', key: 'ü\u001b[31m', anonymous: false });
  expect(message).toBe('gs://b/ü\\x1b[31m: has another version');
});

test('what Google says is one short line of plain text', () => {
  const { message } = parseRefusal(400, json('invalid', `two\nlines \u001b[31m${'x'.repeat(10_000)}`));
  expect(message).toMatch(/^two lines \[31mx+$/);
  expect(message.length).toBeLessThanOrEqual(300);
  expect(parseRefusal(400, '{"error":').message).toBe('{"error":');
});

test.each([
  ['Could not load the default credentials. Browse to …', {}, 'credentials-missing', false],
  ['no file', { code: 'ENOENT' }, 'credentials-missing', false],
  ['getaddrinfo', { code: 'EAI_AGAIN' }, 'store-unreachable', true],
  ['busy', { status: 503 }, 'store-unreachable', true],
  ['invalid_grant', { status: 400 }, 'credentials-expired', false],
])("of the node's own credentials: %s", (message, more, code, retryable) => {
  const error = nodeCredentialsError(Object.assign(new Error(message), more, { config: { token: 'secret' } }));
  expect([error.code, error.retryable]).toEqual([code, retryable]);
  expect(JSON.stringify([error.message, error.cause])).not.toContain('secret');
});

test('a download says what the object is, or nothing is believed', () => {
  const headers = {
    'x-goog-generation': '17',
    'x-goog-stored-content-length': '3',
    'last-modified': 'Fri, 27 Nov 2026 10:00:00 GMT',
    'content-type': 'text/plain',
    'x-goog-hash': 'crc32c=AAAAAA==, md5=CY9rzUYh03PK3k6DJie09g==',
    'x-goog-meta-Mode': '1',
    'x-goog-meta-word': Buffer.from('grün').toString('latin1'),
  };
  expect(downloadHead('k', headers)).toEqual({
    key: 'k',
    size: 3,
    version: '17',
    modifiedMs: Date.parse('2026-11-27T10:00:00Z'),
    contentType: 'text/plain',
    metadata: { mode: '1', word: 'grün' },
    md5: '098f6bcd4621d373cade4e832627b4f6',
  });
  const sums = (said: string): unknown => {
    const { md5, checksum } = downloadHead('k', { ...headers, 'x-goog-hash': said }) ?? {};
    return md5 ?? checksum;
  };
  expect(sums('crc32c=4waSgw==')).toEqual({ algorithm: 'crc32c', hex: 'e3069283' });
  expect(sums('md5=CY9rzUYh03PK3k6DJie09g==,crc32c=4waSgw==')).toBe('098f6bcd4621d373cade4e832627b4f6');
  for (const bad of ['crc32c=', 'crc32c=4waSg', 'crc32c=!!!!!!==', 'xcrc32c=4waSgw==', ''])
    expect(sums(bad), bad).toBeUndefined();
  for (const [name, value] of [
    ['x-goog-generation', '1; drop'],
    ['x-goog-stored-content-length', '-3'],
    ['x-goog-stored-content-length', '99999999999999999'],
    ['last-modified', 'yesterday'],
  ] as const)
    expect(downloadHead('k', { ...headers, [name]: value }), name).toBeUndefined();
});
