/** An endpoint where some other web server answers: a mistake in the address, which must not look like an empty bucket. */
import { createServer, type Server } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { openS3Store, type S3Access } from '../../../protocol/store/s3/open-s3-store.ts';
import { listen } from '../../helpers/listen.ts';

const { signal } = new AbortController();
let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

test.each([
  [404, {}],
  [200, {}],
  [200, { 'content-length': '19' }],
])('that says %i %j', async (status, headers) => {
  const listening = createServer((_, response) => {
    response.writeHead(status, { 'content-type': 'text/html', ...headers });
    response.end('<html>hello</html>\n');
  });
  server = listening;
  const port = await listen(listening);
  const access: S3Access = {
    service: 's3',
    provider: 'other',
    bucket: 'b',
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { type: 'none' },
  };
  const store = openS3Store(access, { connections: 1, refresh: async () => access });
  await expect(store.list({ prefix: '' }, signal)).rejects.toMatchObject({
    code: 'store-failed',
    message: expect.stringContaining('no S3 service'),
    hint: expect.stringContaining('AWS_ENDPOINT_URL'),
  });
});
