import { TowError } from '../../protocol/base/errors.ts';
import type * as Sdk from '../../protocol/store/s3/sdk.ts';

/** In a thread with the request's environment: what Amazon's client finds for S3. */

export interface AwsFound {
  /** Undefined when none are set up. */
  readonly keys:
    | {
        readonly accessKeyId: string;
        readonly secretAccessKey: string;
        readonly sessionToken: string | undefined;
        /** Milliseconds since 1970. */
        readonly expiresAt: number | undefined;
      }
    | undefined;
  readonly region: string | undefined;
  /** Undefined: Amazon's own. */
  readonly endpoint: string | undefined;
}

const notSent = 'this request is not sent';
const usualRegion = 'us-east-1';

export async function findAws(): Promise<AwsFound> {
  const sdk = await import('../../protocol/store/s3/sdk.ts');
  const [keys, place] = await Promise.all([findKeys(sdk), findPlace(sdk)]);
  return { keys, ...place };
}

async function findKeys(sdk: typeof Sdk): Promise<AwsFound['keys']> {
  try {
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = await sdk.fromNodeProviderChain()();
    return { accessKeyId, secretAccessKey, sessionToken, expiresAt: expiration?.getTime() };
  } catch (error) {
    // The end of the chain, when nothing is set up at all, has no sign of its own but these words.
    if (error instanceof Error && error.message.startsWith('Could not load credentials from any providers')) {
      await expectProfile(sdk);
      return undefined;
    }
    throw error;
  }
}

/** One that is named and not there is a mistake; one without keys may be for what it says of region and endpoint. */
async function expectProfile(sdk: typeof Sdk): Promise<void> {
  const name = process.env['AWS_PROFILE'] ?? '';
  if (name === '') return;
  const profiles = await sdk.parseKnownFiles({});
  if (profiles[name] !== undefined) return;
  const others = Object.keys(profiles).filter((other) => /^[\w.@-]{1,64}$/.test(other));
  throw new TowError('credentials-missing', `AWS_PROFILE is ${name}, and there is no such profile`, {
    hint:
      others.length === 0
        ? '~/.aws has no profiles: aws configure writes one'
        : `there are: ${others.slice(0, 20).join(', ')}`,
  });
}

interface Place {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
}

/** Region and endpoint, from wherever the client takes them: read off a request that is never sent. */
async function findPlace(sdk: typeof Sdk): Promise<Pick<AwsFound, 'region' | 'endpoint'>> {
  const region = await new sdk.S3Client({}).config.region().catch(() => undefined);
  let endpoint: string | undefined;
  const client = new sdk.S3Client({
    region: region ?? usualRegion,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
    requestHandler: {
      handle: async (request: Place) => {
        const { protocol, hostname, port, path } = request;
        const base = path.replace(/\/bucket\/?$/, '');
        if (!/\.amazonaws\.com(?:\.cn)?$/.test(hostname))
          endpoint = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${base}`;
        throw new Error(notSent);
      },
    },
  });
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket: 'bucket' }));
  } catch (error) {
    // Without one the bucket would be looked for at Amazon's, where another may have it.
    if (error instanceof Error && error.message !== notSent) throw notUsable(error);
  }
  return { region, endpoint };
}

function notUsable(error: Error): TowError {
  const name = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((one) => (process.env[one] ?? '') !== '');
  const written = name === undefined ? 'the endpoint_url that is configured' : `${name}=${process.env[name] ?? ''}`;
  return new TowError('store-failed', `${written} is no address of an S3 service: ${error.message}`, {
    hint: 'write it as http://HOST:PORT or https://HOST',
  });
}
