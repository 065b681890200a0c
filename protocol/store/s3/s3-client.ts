/** Amazon's own client, for what writes, and for where Amazon's buckets are. Loaded when it is first asked for: it is large. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Access } from './open-s3-store.ts';
import { s3Providers } from './providers.ts';
import type { S3Credentials } from './s3-credentials.ts';
import type { S3Place } from './s3-wire.ts';
import type * as S3Sdk from './sdk.ts';

export interface S3ClientOptions {
  readonly credentials: S3Credentials;
  /** At once. */
  readonly connections: number;
  readonly connectMs: number;
  /** Milliseconds. The client's writes may be long at work on the other side. */
  readonly silenceMs: number;
}

export interface LoadedClient {
  readonly sdk: typeof S3Sdk;
  readonly client: S3Client;
}

export async function loadClient(access: S3Access, options: S3ClientOptions): Promise<LoadedClient> {
  const sdk = await import('./sdk.ts');
  const agent = { keepAlive: true, maxSockets: options.connections, noDelay: true };
  const client = new sdk.S3Client({
    ...settings(access),
    maxAttempts: 1,
    requestHandler: new sdk.NodeHttpHandler({
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: options.connectMs,
      socketTimeout: options.silenceMs,
      // Ours queue here by design.
      socketAcquisitionWarningTimeout: 2 ** 31 - 1,
    }),
    ...identity(access, options.credentials),
  });
  return { sdk, client };
}

/** Where Amazon's rules say that the bucket is: read off a request that is never sent. */
export async function askPlace(access: S3Access, region: string): Promise<S3Place> {
  const sdk = await import('./sdk.ts');
  let place: S3Place | undefined;
  const client = new sdk.S3Client({
    ...settings({ ...access, region }),
    maxAttempts: 1,
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
    requestHandler: {
      handle: async ({ protocol, hostname, port, path }: Omit<S3Place, 'protocol'> & { readonly protocol: string }) => {
        place = {
          protocol: protocol === 'http:' ? protocol : 'https:',
          hostname,
          port,
          path: path.endsWith('/') ? path : `${path}/`,
        };
        throw new Error('this request is not sent');
      },
    },
  });
  const failure: unknown = await client.send(new sdk.HeadBucketCommand({ Bucket: access.bucket })).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (place === undefined) throw failure;
  return place;
}

function settings(access: S3Access) {
  const provider = s3Providers[access.provider];
  return {
    region: access.region,
    ...(access.endpoint === undefined ? {} : { endpoint: access.endpoint }),
    // A bucket with dots in its name has no certificate of its own.
    forcePathStyle: provider.pathStyle || access.bucket.includes('.'),
    followRegionRedirects: access.provider === 'aws',
    requestChecksumCalculation: provider.checksums ? ('WHEN_SUPPORTED' as const) : ('WHEN_REQUIRED' as const),
    responseChecksumValidation: 'WHEN_REQUIRED' as const,
  };
}

function identity(access: S3Access, credentials: S3Credentials) {
  const current = async () => {
    const keys = await credentials.current();
    if (keys === undefined) return { accessKeyId: '', secretAccessKey: '' };
    const { accessKeyId, secretAccessKey, sessionToken } = keys;
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  };
  return {
    // Asked for each request: the client's own memory knows of no keys that the service took back.
    credentials: Object.assign(current, { memoized: true }),
    ...(access.credentials.type === 'none' ? { signer: { sign: async <T>(request: T) => request } } : {}),
  };
}
