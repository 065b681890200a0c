/** In a thread with the request's environment: what Google's client finds. */

export interface GoogleFound {
  /** Undefined when none is set up. */
  readonly token: { readonly token: string; readonly expiresAt: number | undefined } | undefined;
  readonly project: string | undefined;
}

export async function findGoogle(): Promise<GoogleFound> {
  const sdk = await import('../../protocol/store/gcs/sdk.ts');
  const { authClient } = new sdk.Storage();
  let client: Awaited<ReturnType<typeof authClient.getClient>>;
  try {
    client = await authClient.getClient();
  } catch {
    // It throws when there is nothing, with a text and no code.
    return { token: undefined, project: undefined };
  }
  const { token } = await client.getAccessToken();
  const project = await authClient.getProjectId().catch(() => undefined);
  return {
    token: typeof token === 'string' ? { token, expiresAt: client.credentials.expiry_date ?? undefined } : undefined,
    project: project ?? undefined,
  };
}
