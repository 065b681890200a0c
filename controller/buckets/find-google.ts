/** In a thread with the request's environment: what Google's client finds. */

export interface GoogleFound {
  /** Undefined when none is set up. */
  readonly token: { readonly token: string; readonly expiresAt: number | undefined } | undefined;
  readonly project: string | undefined;
}

/** To read and write objects, and to make buckets. */
const scopes = 'https://www.googleapis.com/auth/devstorage.full_control';

export async function findGoogle(): Promise<GoogleFound> {
  const { GoogleAuth } = await import('../../protocol/store/gcs/sdk.ts');
  const auth = new GoogleAuth({ scopes });
  const project = await auth.getProjectId().catch(() => undefined);
  const client = await auth.getClient().catch((error: unknown) => {
    // Nothing set up at all has no sign of its own but these words.
    if (error instanceof Error && error.message.startsWith('Could not load the default credentials')) return undefined;
    throw error;
  });
  if (client === undefined) return { token: undefined, project };
  const { token } = await client.getAccessToken();
  return {
    token: typeof token === 'string' ? { token, expiresAt: client.credentials.expiry_date ?? undefined } : undefined,
    project,
  };
}
