import { raceSignal } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { TowError } from '../../base/errors.ts';
import type { StoreAccess } from '../../wire/store-access.ts';

type GcsCredentials = Extract<StoreAccess, { service: 'gcs' }>['credentials'];

/** The headers that say who asks; none where nobody is named. */
export interface Credentials {
  readonly anonymous: boolean;
  /** Rejects with `credentials-missing`, `credentials-expired`, or `store-unreachable` where they are fetched. */
  headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
}

const scopes = 'https://www.googleapis.com/auth/devstorage.read_write';

/** A token that ends is replaced before it does, by what `refresh` gives. */
export async function openCredentials(
  credentials: GcsCredentials,
  clock: Clock,
  refresh?: () => Promise<GcsCredentials>,
): Promise<Credentials> {
  switch (credentials.type) {
    case 'none':
      return { anonymous: true, headers: async () => ({}) };
    case 'token':
      return { anonymous: false, headers: tokenHeaders(credentials, clock, refresh) };
    case 'node': {
      const { GoogleAuth } = await import('./sdk.ts');
      // A project that is given is not searched for, over the network too: only the token is wanted.
      const auth = new GoogleAuth({ scopes, projectId: 'unused' });
      // It keeps the token, and fetches the next before this one ends.
      return { anonymous: false, headers: async (signal) => await raceSignal(nodeHeaders(auth), signal) };
    }
  }
}

type Token = Extract<GcsCredentials, { type: 'token' }>;

/** Before a token's end, in ms: a request begun with it should be answered. */
const earlyMs = 60_000;

function tokenHeaders(
  first: Token,
  clock: Clock,
  refresh: (() => Promise<GcsCredentials>) | undefined,
): Credentials['headers'] {
  let current = first;
  let renewing: Promise<void> | undefined;
  const renew = async (ask: () => Promise<GcsCredentials>): Promise<void> => {
    const newer = await ask();
    if (newer.type === 'token') current = newer;
  };
  return async (signal) => {
    if (refresh !== undefined && clock.now() >= (current.expiresAt ?? Infinity) - earlyMs) {
      // One asks for all that wait.
      renewing ??= renew(refresh).finally(() => {
        renewing = undefined;
      });
      await raceSignal(renewing, signal);
    }
    if (clock.now() >= (current.expiresAt ?? Infinity))
      throw new TowError('credentials-expired', 'the Google access token has expired');
    return { authorization: `Bearer ${current.token}` };
  };
}

async function nodeHeaders(auth: { getRequestHeaders(): Promise<object> }): Promise<Record<string, string>> {
  const headers = await auth.getRequestHeaders().catch((error: unknown) => {
    throw nodeCredentialsError(error);
  });
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
}

/** What Google's library throws, by what can be done about it. Its own error is no cause: it holds the request. */
export function nodeCredentialsError(error: unknown): TowError {
  const message = error instanceof Error ? error.message : String(error);
  const cause = new Error(message);
  if (message.startsWith('Could not load the default credentials')) {
    const hint = 'run `gcloud auth application-default login` on the node, or use `credentials: forward`';
    return new TowError('credentials-missing', 'the node has no Google credentials', { cause, hint });
  }
  const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (errno === 'ENOENT' || errno === 'EACCES')
    return new TowError('credentials-missing', 'the Google credentials of the node cannot be read', { cause });
  if (/^E[A-Z_]+$/.test(errno) || isServerFailure(error))
    return new TowError('store-unreachable', 'the Google token service cannot be reached', { cause, retryable: true });
  return new TowError('credentials-expired', 'the Google credentials of the node give no token', { cause });
}

function isServerFailure(error: unknown): boolean {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' && error.status >= 500;
}
