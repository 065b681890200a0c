import type { StoreAccess } from '../../wire/store-access.ts';
import type { ObjectStore } from '../object-store.ts';
import { s3Providers } from './providers.ts';
import { S3Store } from './s3-store.ts';

export type S3Access = Extract<StoreAccess, { readonly service: 's3' }>;

export interface S3Options {
  /** Connections at once. */
  readonly connections: number;
  /** Newer access when the one before ends. */
  refresh(): Promise<S3Access>;
}

/** Milliseconds. Between two packets of a connection, and for the first. */
const silenceMs = 60_000;
const connectMs = 15_000;

/** Opens a bucket of a service that speaks S3. Asks nothing of it yet. */
export async function openS3Store(access: S3Access, options: S3Options): Promise<ObjectStore> {
  const sdk = await import('./sdk.ts');
  const provider = s3Providers[access.provider];
  let newest: S3Access | undefined = access;
  const given = async () => {
    const { credentials } = newest ?? (await options.refresh());
    newest = undefined;
    if (credentials.type !== 'keys') return { accessKeyId: '', secretAccessKey: '' };
    const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = credentials;
    return {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      ...(expiresAt === undefined ? {} : { expiration: new Date(expiresAt) }),
    };
  };
  const agent = { keepAlive: true, maxSockets: options.connections, noDelay: true };
  const when = provider.checksums ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED';
  const client = new sdk.S3Client({
    region: access.region,
    ...(access.endpoint === undefined ? {} : { endpoint: access.endpoint }),
    // A bucket with dots in its name has no certificate of its own.
    forcePathStyle: provider.pathStyle || access.bucket.includes('.'),
    followRegionRedirects: access.provider === 'aws',
    maxAttempts: 1,
    requestChecksumCalculation: when,
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new sdk.NodeHttpHandler({
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: connectMs,
      socketTimeout: silenceMs,
      // Ours queue here by design.
      socketAcquisitionWarningTimeout: 2 ** 31 - 1,
    }),
    credentials: access.credentials.type === 'node' ? sdk.fromNodeProviderChain() : given,
    ...(access.credentials.type === 'none' ? { signer: { sign: async (request) => request } } : {}),
  });
  return new S3Store({ sdk, client, provider, bucket: access.bucket });
}
