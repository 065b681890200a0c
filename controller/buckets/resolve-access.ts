/** From a bucket as a task names it to what opens it: who one is, and where the bucket is. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { StoreKind } from '../task/task.ts';
import type { AwsFound } from './find-aws.ts';
import { ibmCredentials } from './ibm-credentials.ts';
import { askSdk } from './sdk-thread.ts';

export interface BucketPlace {
  readonly store: Exclude<StoreKind, 'local'>;
  readonly bucket: string;
  /** Of IBM's. */
  readonly region: string | undefined;
  /** Of another service that speaks S3. */
  readonly endpoint: string | undefined;
}

export interface AccessRequest {
  /** Bundle that serves the role 'sdk'. */
  readonly script: string;
  /** Of the request: nothing is read from the daemon's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
  /** `node`: with what the node finds itself. */
  readonly credentials: 'forward' | 'node';
}

type CloudAccess = Exclude<StoreAccess, { readonly service: 'local' }>;
type S3Access = Extract<StoreAccess, { readonly service: 's3' }>;

/** Where signatures are made for services that have no regions. */
const anyRegion = 'us-east-1';

/**
 * Looks for credentials where the cloud's own tools do. Without any the bucket is opened as the public sees it. Rejects
 * with `credentials-missing` for R2 and IBM, which have no public buckets of this kind, and with what a cloud's client
 * throws when something is set up and does not work.
 */
export async function resolveAccess(
  place: BucketPlace,
  request: AccessRequest,
  signal: AbortSignal,
): Promise<CloudAccess> {
  const { store, bucket } = place;
  switch (store) {
    case 's3':
      return await awsAccess(place, request, signal);
    case 'r2':
      return await r2Access(bucket, request, signal);
    case 'ibm':
      return await ibmAccess(place, request);
    case 'gcs':
      return await googleAccess(bucket, request, signal);
  }
}

async function awsAccess(
  { bucket, endpoint: asTask }: BucketPlace,
  { script, env, credentials }: AccessRequest,
  signal: AbortSignal,
): Promise<S3Access> {
  const { keys, region, endpoint: configured } = await asked(askSdk(script, 'aws', env, signal), 'AWS');
  const endpoint = asTask ?? configured;
  return {
    service: 's3',
    provider: endpoint === undefined ? 'aws' : 'other',
    bucket,
    region: region ?? anyRegion,
    ...(endpoint === undefined ? {} : { endpoint }),
    credentials: credentials === 'node' ? { type: 'node' } : credentialsOf(keys),
  };
}

async function googleAccess(
  bucket: string,
  { script, env, credentials }: AccessRequest,
  signal: AbortSignal,
): Promise<CloudAccess> {
  // As gcloud has it: with the API's path, which the client adds by itself.
  const endpoint = env['CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE']?.replace(/\/(?:storage\/v1\/?)?$/, '');
  const place = { service: 'gcs', bucket, ...(endpoint === undefined ? {} : { endpoint }) } as const;
  if (credentials === 'node') return { ...place, credentials: { type: 'node' } };
  const { token, project } = await asked(askSdk(script, 'google', env, signal), 'Google');
  return {
    ...place,
    ...(project === undefined ? {} : { project }),
    credentials:
      token === undefined
        ? { type: 'none' }
        : {
            type: 'token',
            token: token.token,
            ...(token.expiresAt === undefined ? {} : { expiresAt: token.expiresAt }),
          },
  };
}

/** Never with AWS's own keys: the environment the client sees has nothing but R2's file. */
async function r2Access(
  bucket: string,
  { script, env, home, credentials }: AccessRequest,
  signal: AbortSignal,
): Promise<S3Access> {
  const file = join(home, '.cloudflare', 'r2.credentials');
  const own = {
    HOME: home,
    PATH: env['PATH'] ?? '',
    AWS_SHARED_CREDENTIALS_FILE: file,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_PROFILE: 'r2',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  const { keys, endpoint: configured } = await asked(askSdk(script, 'aws', own, signal), 'R2');
  const account = await readFile(join(home, '.cloudflare', 'accountid'), 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  if (keys === undefined && credentials === 'forward')
    throw new TowError('credentials-missing', `no profile r2 with keys in ${file}`, {
      hint: 'make an R2 API token, and write its keys there under [r2]',
    });
  if (configured === undefined && !/^[0-9a-f]{32}$/.test(account))
    throw new TowError('credentials-missing', `no account id in ${join(home, '.cloudflare', 'accountid')}`, {
      hint: 'the Cloudflare dashboard shows it: 32 hexadecimal digits',
    });
  return {
    service: 's3',
    provider: 'r2',
    bucket,
    region: 'auto',
    endpoint: configured ?? `https://${account}.r2.cloudflarestorage.com`,
    credentials: credentials === 'node' ? { type: 'node' } : credentialsOf(keys),
  };
}

async function ibmAccess({ bucket, region }: BucketPlace, { home, credentials }: AccessRequest): Promise<S3Access> {
  if (region === undefined)
    throw new TowError('invalid-task', `${bucket}: a bucket of IBM needs a region`, {
      hint: 'write cos://REGION/BUCKET',
    });
  const found = await ibmCredentials(home);
  if (found === undefined && credentials === 'forward')
    throw new TowError('credentials-missing', `no ${join(home, '.ibm', 'credentials.yaml')}`, {
      hint: 'write access_key_id and secret_access_key of a service credential with HMAC there',
    });
  return {
    service: 's3',
    provider: 'ibm',
    bucket,
    region: anyRegion,
    endpoint: found?.endpoint_url ?? `https://s3.${region}.cloud-object-storage.appdomain.cloud`,
    credentials:
      credentials === 'node' || found === undefined
        ? { type: 'node' }
        : { type: 'keys', accessKeyId: found.access_key_id, secretAccessKey: found.secret_access_key },
  };
}

function credentialsOf(keys: AwsFound['keys']): S3Access['credentials'] {
  if (keys === undefined) return { type: 'none' };
  const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = keys;
  return {
    type: 'keys',
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** What a cloud's client says of credentials that are set up and do not work may quote them: it is not passed on whole. */
async function asked<T>(answer: Promise<T>, cloud: string): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof TowError) throw error;
    const firstLine = (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200) ?? '';
    throw new TowError('credentials-missing', `${cloud}'s credentials cannot be read: ${firstLine}`, {
      hint: 'tow check says what is set up; log in again, or correct the profile',
    });
  }
}
