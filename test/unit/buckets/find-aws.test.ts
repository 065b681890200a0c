import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveAccess } from '../../../controller/buckets/resolve-access.ts';

let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tow-aws-'));
});
afterAll(() => rmSync(home, { recursive: true }));

async function access(env: Readonly<Record<string, string>>) {
  const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_EC2_METADATA_DISABLED: 'true' };
  return await resolveAccess(
    { store: 's3', bucket: 'bucket', region: undefined, endpoint: undefined },
    {
      script: join(process.cwd(), 'dist', 'controller.mjs'),
      env: { HOME: home, ...keys, ...env },
      home,
      credentials: 'forward',
    },
    new AbortController().signal,
  );
}

test.each(['127.0.0.1:7490', 'localhost:7490', 'nonsense', 'http://'])(
  'an endpoint %s is an error, and does not lead to Amazon',
  async (endpoint) => {
    await expect(access({ AWS_ENDPOINT_URL: endpoint })).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining(`AWS_ENDPOINT_URL=${endpoint} is no address`),
      hint: expect.stringContaining('http://'),
    });
  },
);

test('one that is a URL is taken, and none is Amazon', async () => {
  expect(await access({ AWS_ENDPOINT_URL: 'http://127.0.0.1:7490' })).toMatchObject({
    provider: 'other',
    endpoint: 'http://127.0.0.1:7490',
  });
  expect(await access({})).toMatchObject({ provider: 'aws' });
});

describe('AWS_PROFILE', () => {
  const named = (name: string) => ({ AWS_PROFILE: name, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' });

  test('that names no profile is an error that names those there are', async () => {
    await expect(access(named('typo'))).rejects.toMatchObject({
      code: 'credentials-missing',
      message: 'AWS_PROFILE is typo, and there is no such profile',
      hint: expect.stringContaining('aws configure'),
    });
    mkdirSync(join(home, '.aws'));
    writeFileSync(join(home, '.aws', 'credentials'), '[work]\naws_access_key_id = a\naws_secret_access_key = b\n');
    writeFileSync(join(home, '.aws', 'config'), '[profile public]\nendpoint_url = http://127.0.0.1:1\n');
    await expect(access(named('typo'))).rejects.toMatchObject({ hint: 'there are: public, work' });
  });

  test('whose profile has keys gives them, and one without is for its endpoint', async () => {
    expect(await access(named('work'))).toMatchObject({ credentials: { type: 'keys', accessKeyId: 'a' } });
    expect(await access(named('public'))).toMatchObject({
      endpoint: 'http://127.0.0.1:1',
      credentials: { type: 'none' },
    });
  });
});
