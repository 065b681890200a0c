import { access } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { runProcess } from './run-process.ts';
import { hostArguments, type SshHost } from './ssh-host.ts';

/**
 * `-F` for a request whose HOME is not the account's: ssh itself looks the home up in the password database. Empty when
 * ssh finds the user's configuration by itself.
 */
export async function configArguments(env: Readonly<Record<string, string>>): Promise<string[]> {
  const home = env['HOME'];
  if (home === undefined || home === userInfo().homedir) return [];
  const file = join(home, '.ssh', 'config');
  try {
    await access(file);
    return ['-F', file];
  } catch {
    return [];
  }
}

/**
 * What a login adds to the user's configuration. Host-key checking: `accept-new`, or the user's own setting where that is
 * stricter; never weaker, so a changed key is refused whatever the configuration says. Ciphers: the same ones, those that
 * processors have instructions for first.
 */
export async function loginArguments(
  ssh: string,
  config: readonly string[],
  host: SshHost,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string[]> {
  const { stdout } = await runProcess(
    [ssh, ...config, '-G', ...hostArguments(host, env)],
    { env, timeoutMs: 10_000 },
    signal,
  );
  const strict = /^stricthostkeychecking (yes|true)$/m.test(stdout);
  const ciphers = fastFirst(/^ciphers (\S+)$/m.exec(stdout)?.[1]?.split(',') ?? []);
  return [
    '-o',
    `StrictHostKeyChecking=${strict ? 'yes' : 'accept-new'}`,
    ...(ciphers.length === 0 ? [] : ['-o', `Ciphers=${ciphers.join(',')}`]),
  ];
}

/** OpenSSH prefers chacha20-poly1305, which takes twice the time of AES-GCM at both ends where AES is an instruction. */
export function fastFirst(ciphers: readonly string[]): string[] {
  const fast = ciphers.filter((cipher) => cipher.includes('-gcm@'));
  return [...fast, ...ciphers.filter((cipher) => !fast.includes(cipher))];
}
