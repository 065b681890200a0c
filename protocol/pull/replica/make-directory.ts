import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { posix } from 'node:path';
import { errnoOf, TowError } from '../../base/errors.ts';
import { displayPath } from '../../base/root-path.ts';
import { look } from './print.ts';

/** How long sudo may take: it may have to ask a directory service. */
const sudoMs = 20_000;

/**
 * Makes a directory and those above it that are missing (absolute, latin1; symlinks in what exists are resolved). Where
 * the account may not, `sudo -n` does, if `sudo` says that it may be asked, and gives what it made to the account; what
 * was there is left as it is. Throws `mount-destination-refused` with the command that would help. Blocking, with sudo
 * for up to 40 s.
 */
export function makeDirectory(path: string, dest: string, sudo: boolean): void {
  const missing: string[] = [];
  for (let at = path; look(Buffer.from(at, 'latin1')) === undefined; at = posix.dirname(at)) missing.unshift(at);
  const [first] = missing;
  if (first === undefined) {
    if (statSync(Buffer.from(path, 'latin1')).isDirectory()) return;
    throw new TowError(
      'mount-destination-refused',
      `cannot sync to ${displayPath(dest)}: ${displayPath(path)} is no directory`,
      { hint: `move it out of the way on the node, or choose another destination` },
    );
  }
  try {
    mkdirSync(Buffer.from(path, 'latin1'), { recursive: true });
  } catch (error) {
    const errno = errnoOf(error);
    const denied = errno === 'EACCES' || errno === 'EPERM';
    const nameable = Buffer.from(displayPath(path)).toString('latin1') === path;
    if (denied && sudo && nameable && process.geteuid?.() !== 0) makeWithSudo(missing, dest);
    else
      throw new TowError(
        'mount-destination-refused',
        `cannot sync to ${displayPath(dest)}: cannot make ${displayPath(first)}`,
        {
          cause: error,
          hint: 'choose a destination below a directory that the account may write in',
        },
      );
  }
}

/** Not `mkdir -p` and not `install -d`: these take what is there already, and `install` would change its owner. */
function makeWithSudo(missing: readonly string[], dest: string): void {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const username = accountName(uid);
  const names = missing.map((path) => Buffer.from(path, 'latin1').toString());
  const shown = names.map(quoted).join(' ');
  try {
    run('mkdir', '-m', '755', '--', ...names);
    try {
      // The innermost first: until its parent is the account's too, nobody else can put something in its place.
      run('chown', '-h', '--', `${uid}:${gid}`, ...names.toReversed());
    } catch (error) {
      run('rmdir', '--', ...names.toReversed());
      throw error;
    }
  } catch (error) {
    throw new TowError(
      'mount-destination-refused',
      `cannot sync to ${displayPath(dest)}: ${username} may not make ${displayPath(missing[0] ?? '')}, and sudo does not let it without a password`,
      {
        cause: new Error(reasonOf(error)),
        hint: `on the node: sudo mkdir -- ${shown} && sudo chown -- ${username}: ${shown}`,
      },
    );
  }
}

function accountName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    // It may have no entry in the account list.
    return String(uid);
  }
}

function run(...command: readonly string[]): void {
  execFileSync('sudo', ['-n', ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: sudoMs,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
  });
}

function reasonOf(error: unknown): string {
  if (errnoOf(error) === 'ENOENT') return 'there is no sudo on the node';
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return stderr === '' ? String(error) : stderr;
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Whether the account may make and remove names in a directory. Blocking. */
export function mayWrite(directory: string): boolean {
  try {
    accessSync(Buffer.from(directory, 'latin1'), constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
