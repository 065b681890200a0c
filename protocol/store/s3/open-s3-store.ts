import { TowError } from '../../base/errors.ts';
import type { StoreAccess } from '../../wire/store-access.ts';
import type { ObjectStore } from '../object-store.ts';
import { s3Providers } from './providers.ts';
import { askPlace, loadClient } from './s3-client.ts';
import { S3Credentials, type S3Keys } from './s3-credentials.ts';
import { S3Store } from './s3-store.ts';
import { type S3Place, S3Wire } from './s3-wire.ts';

export type S3Access = Extract<StoreAccess, { readonly service: 's3' }>;

export interface S3Options {
  /** Connections at once. */
  readonly connections: number;
  /** Milliseconds without a byte after which a read, and a write, has failed; tests have less patience. */
  readonly silenceMs?: number;
  readonly writeSilenceMs?: number;
  /** Newer access when the one before ends. */
  refresh(): Promise<S3Access>;
}

/**
 * Milliseconds. What reads is answered at once, or not at all: it is asked for again. What writes may be at work for long
 * on the other side without a word (a copy, an upload's end).
 */
const readSilence = 20_000;
const writeSilence = 60_000;
const connectMs = 15_000;

/** Opens a bucket of a service that speaks S3. Asks nothing of it yet. */
export function openS3Store(access: S3Access, options: S3Options): ObjectStore {
  const provider = s3Providers[access.provider];
  const credentials = credentialsOf(access, options);
  const { connections, silenceMs = readSilence, writeSilenceMs = writeSilence } = options;
  const wire = new S3Wire({
    name: `${provider.scheme}://${access.bucket}`,
    region: access.region,
    credentials,
    connections,
    silenceMs,
    writeSilenceMs,
    connectMs,
    place: (region) => placeOf(access, region),
  });
  let client: ReturnType<typeof loadClient> | undefined;
  return new S3Store({
    wire,
    provider,
    bucket: access.bucket,
    credentials,
    client: () => {
      client ??= loadClient(access, { credentials, connections, connectMs, silenceMs: writeSilenceMs });
      return client;
    },
  });
}

async function placeOf(access: S3Access, region: string): Promise<S3Place> {
  if (access.endpoint === undefined || !s3Providers[access.provider].pathStyle) return await askPlace(access, region);
  const { protocol, hostname, port, pathname } = new URL(access.endpoint);
  return {
    protocol: protocol === 'http:' ? protocol : 'https:',
    hostname,
    port: port === '' ? undefined : Number(port),
    path: `${pathname.replace(/\/+$/, '')}/${access.bucket}/`,
  };
}

function credentialsOf(access: S3Access, options: S3Options): S3Credentials {
  switch (access.credentials.type) {
    case 'none':
      return new S3Credentials(undefined, undefined);
    case 'keys':
      return new S3Credentials(access.credentials, async () => {
        const { credentials } = await options.refresh();
        if (credentials.type === 'keys') return credentials;
        throw new TowError(
          'credentials-expired',
          `${access.bucket}: the credentials have ended, and there are no newer ones`,
        );
      });
    case 'node':
      return new S3Credentials(undefined, nodeKeys);
  }
}

/** As this machine's own files and variables say. A new chain each time: an old one remembers what it found. */
async function nodeKeys(): Promise<S3Keys> {
  const { fromNodeProviderChain } = await import('./sdk.ts');
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = await fromNodeProviderChain()();
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt: expiration?.getTime() };
}
