import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
