/** What we do ourselves instead of Amazon's client is judged by that client. */
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { parseList } from '../../../protocol/store/s3/parse-list.ts';
import { S3Credentials, type S3Keys } from '../../../protocol/store/s3/s3-credentials.ts';
import { encodeKey, encodeQuery, SignerV4 } from '../../../protocol/store/s3/sign-v4.ts';
import { amazonRequest } from '../../helpers/amazon-request.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  fc.stringMatching(/^[a-z/ !'()*+%&=~._-]{1,20}$/),
);
// A client that sends `.` and `..` as they are is not what is judged here.
const keyText = text.filter((key) => !key.split('/').some((name) => name === '.' || name === '..'));

function timeOf(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

describe('keys and queries are encoded as the client encodes them', () => {
  test('a key', async () => {
    const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };
    await fc.assert(
      fc.asyncProperty(keyText, async (key) => {
        const head = new HeadObjectCommand({ Bucket: 'bucket', Key: key });
        const { path } = await amazonRequest(keys, async (client) => await client.send(head));
        expect(`/bucket/${encodeKey(key)}`).toBe(path);
      }),
      { numRuns: 60 },
    );
  });

  test('a query, sorted', () => {
    expect(
      encodeQuery([
        ['prefix', "a b/é'*"],
        ['list-type', '2'],
        ['delimiter', '/'],
      ]),
    ).toBe('delimiter=%2F&list-type=2&prefix=a%20b%2F%C3%A9%27%2A');
  });
});

test('a signature is that of the published example', () => {
  // "Examples of the Complete Version 4 Signing Process": GET object, but with the headers that we sign.
  const signed = new SignerV4('us-east-1').sign(
    { method: 'GET', host: 'examplebucket.s3.amazonaws.com', path: '/', query: 'lifecycle=' },
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    Date.UTC(2013, 4, 24),
  );
  expect(signed['authorization']).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;x-amz-content-sha256;x-amz-date, ' +
      'Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  );
});

test('the key of a day is worked out anew for another day, and for another secret', () => {
  const request = { method: 'GET', host: 'h', path: '/', query: '' } as const;
  const signer = new SignerV4('r');
  const one = { accessKeyId: 'a', secretAccessKey: 's' };
  const [first, second] = [timeOf('20260101T235959Z'), timeOf('20260102T000000Z')];
  for (const [keys, now] of [
    [one, first],
    [one, second],
    [{ ...one, secretAccessKey: 't' }, second],
    [{ ...one, sessionToken: 'token' }, second],
    [one, first],
  ] as const)
    expect(signer.sign(request, keys, now)).toEqual(new SignerV4('r').sign(request, keys, now));
});

describe('a listing', () => {
  const escapedXml = (value: string): string =>
    value.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replaceAll('&#38;', '&amp;');

  test('is read: keys, sizes, versions, prefixes, where it goes on', () => {
    expect(
      parseList(
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
          '<Name>b</Name><Prefix/><Marker></Marker><NextContinuationToken>to&amp;ken</NextContinuationToken>' +
          '<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>' +
          '<Contents><Key>a%2Fb</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag>' +
          '<Size>12</Size><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID><DisplayName>Key</DisplayName></Owner></Contents>' +
          '<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>',
      ),
    ).toEqual({
      objects: [{ key: 'a%2Fb', size: '12', etag: '"e"', modified: '2026-01-02T03:04:05.678Z' }],
      prefixes: ['p/'],
      truncated: true,
      encoded: true,
      nextToken: 'to&ken',
      nextMarker: undefined,
    });
  });

  test('whatever a key is made of', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), (keys) => {
        const xml = keys.map((key) => `<Contents><Key>${escapedXml(key)}</Key></Contents>`).join('\n');
        const { objects } = parseList(`<ListBucketResult>${xml}</ListBucketResult>`);
        expect(objects.map(({ key }) => key)).toEqual(keys);
      }),
    );
  });

  test.each([
    ['nothing', ''],
    ['no XML', 'hello'],
    ['cut off in a tag', '<ListBucketResult><Contents'],
    ['cut off between tags', '<ListBucketResult><Contents><Key>a</Key></Contents>'],
    ['crossed', '<ListBucketResult><A><B></A></B></ListBucketResult>'],
    ['two documents', '<ListBucketResult></ListBucketResult><ListBucketResult></ListBucketResult>'],
    ['a document type', '<!DOCTYPE R [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>'],
    ['an unknown entity', '<ListBucketResult><Contents><Key>&nbsp;</Key></Contents></ListBucketResult>'],
    ['a comment', '<ListBucketResult><!-- <Contents> --></ListBucketResult>'],
    ['CDATA', '<ListBucketResult><![CDATA[<Contents>]]></ListBucketResult>'],
    ['another document', '<html></html>'],
    ['too deep', `<ListBucketResult>${'<a>'.repeat(17)}`],
    ['an instruction inside', '<ListBucketResult><?x?></ListBucketResult>'],
    ['a character beyond all', '<ListBucketResult><Contents><Key>&#9999999;</Key></Contents></ListBucketResult>'],
  ])('that is %s is refused', (_, xml) => {
    expect(() => parseList(xml)).toThrow(TowError);
  });

  test('of any bytes is read or refused, in no time', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      '&',
      ';',
      'Contents',
      'Key',
      '<Contents>',
      '</Contents>',
      '<R>',
      '</R>',
      'a',
      '!',
      '?',
      ' ',
      '"',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        try {
          parseList(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(TowError);
        }
      }),
      { numRuns: 2000 },
    );
    const started = performance.now();
    expect(() => parseList('<R>'.padEnd(4 << 20, '<'))).toThrow(TowError);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('credentials', () => {
  const keys = (secretAccessKey: string, expiresAt?: number): S3Keys => ({
    accessKeyId: 'id',
    secretAccessKey,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });

  test('without an end are asked for once more when the service refuses them, however many were refused', async () => {
    let asked = 0;
    const first = keys('old');
    const credentials = new S3Credentials(first, async () => keys(`new ${(asked += 1)}`));
    expect(await credentials.current()).toBe(first);
    const newer = await Promise.all([credentials.instead(first), credentials.instead(first)]);
    expect([asked, newer.map((one) => one?.secretAccessKey)]).toEqual([1, ['new 1', 'new 1']]);
    // One that was sent before the newer ones came.
    expect((await credentials.instead(first))?.secretAccessKey).toBe('new 1');
    expect((await credentials.current())?.secretAccessKey).toBe('new 1');
  });

  test('are renewed five minutes before their end, and not asked for all the time if there are none that last longer', async () => {
    let now = 0;
    let asked = 0;
    const credentials = new S3Credentials(
      keys('old', 1_000_000),
      async () => {
        asked += 1;
        return keys('new', 1_000_000);
      },
      () => now,
    );
    await credentials.current();
    expect(asked).toBe(0);
    now = 700_000;
    for (let n = 0; n < 10; n += 1) await credentials.current();
    expect(asked).toBe(1);
    now += 30_000;
    await credentials.current();
    expect(asked).toBe(2);
  });

  test('that have not ended yet do while nobody can be asked, not longer', async () => {
    let now = 800_000;
    const credentials = new S3Credentials(
      keys('old', 1_000_000),
      () => Promise.reject(new TowError('link-lost', 'away')),
      () => now,
    );
    expect((await credentials.current())?.secretAccessKey).toBe('old');
    now = 1_000_000;
    await expect(credentials.current()).rejects.toThrow('away');
  });

  test('of nobody are none, and there are no others', async () => {
    const credentials = new S3Credentials(undefined, undefined);
    expect([await credentials.current(), await credentials.instead(undefined)]).toEqual([undefined, undefined]);
  });
});
