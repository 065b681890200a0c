/** A host of a pool, as the user named it. `host` may be an alias of the user's own ssh config. */
export interface SshHost {
  readonly pool: string;
  readonly host: string;
  readonly user?: string;
  readonly identityFile?: string;
  readonly port?: number;
}

/** ssh's arguments that name the host, options first. `~` is the HOME of `env`. */
export function hostArguments(host: SshHost, env: Readonly<Record<string, string>>): string[] {
  const identity = host.identityFile?.replace(/^~(?=\/)/, env['HOME'] ?? '~');
  return [
    ...(host.user === undefined ? [] : ['-l', host.user]),
    ...(host.port === undefined ? [] : ['-p', String(host.port)]),
    ...(identity === undefined ? [] : ['-i', identity, '-o', 'IdentitiesOnly=yes']),
    '--',
    host.host,
  ];
}

/** The host as people know it. */
export function displayHost(host: {
  readonly host: string;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
}): string {
  return `${host.user === undefined ? '' : `${host.user}@`}${host.host}${host.port === undefined ? '' : `:${host.port}`}`;
}
