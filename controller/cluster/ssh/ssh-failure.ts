import { TowError } from '../../../protocol/base/errors.ts';
import type { ProcessResult } from './run-process.ts';

/** Why ssh did not log in, from what it says at `LogLevel=DEBUG1` in the C locale. */
export interface SshFailure {
  readonly error: TowError;
  /** Whether the same login may succeed where ssh has a terminal to ask on. */
  readonly needsTerminal: boolean;
}

/** Judges an ssh that ended without logging in. `host` is for people. */
export function sshFailure(host: string, result: ProcessResult): SshFailure {
  const said = result.stderr.replaceAll('\r', '');
  const lines = said.split('\n').filter((line) => line !== '' && !/^(debug\d|OpenSSH_|Authenticated to)/.test(line));
  const cause = new Error(lines.slice(-4).join('; ').slice(0, 1000) || `ssh ended with code ${result.code ?? 'none'}`);
  const fail = (code: ConstructorParameters<typeof TowError>[0], what: string, hint: string): TowError =>
    new TowError(code, `${host}: ${what}`, { hint, cause, retryable: code === 'host-unreachable' });

  if (/REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed|Offending .* key in/.test(said)) {
    const file = /Offending \S+ key in (\S+:\d+)/.exec(said)?.[1];
    const error = fail(
      'host-key-refused',
      `its host key is not the one known${file === undefined ? '' : ` (${file})`}`,
      `if the host was set up anew, forget its old key: ssh-keygen -R ${host}; if not, somebody may be in between`,
    );
    return { error, needsTerminal: false };
  }
  if (/Host key verification failed|host key is known for/.test(said)) {
    const strict = /you have requested strict checking/.test(said);
    const error = fail(
      'host-key-refused',
      'its host key is not known',
      'log in once with ssh, or add the key to your known_hosts file',
    );
    return { error, needsTerminal: !strict };
  }
  if (/Permission denied|Too many authentication failures|No more authentication methods/.test(said)) {
    return loginFailure(said, fail);
  }
  return { error: unreachable(said, result, fail), needsTerminal: false };
}

type Fail = (
  code: 'login-refused' | 'login-needs-terminal' | 'host-unreachable',
  what: string,
  hint: string,
) => TowError;

function loginFailure(said: string, fail: Fail): SshFailure {
  // The server took a key that ssh then could not sign with: it has a passphrase, and no terminal to ask for it on.
  const lockedKey =
    /Server accepts key/.test(said) || /incorrect passphrase|sign_and_send_pubkey: signing failed/.test(said);
  const methods = /Permission denied \(([^)]*)\)/.exec(said)?.[1] ?? '';
  const asks = /password|keyboard-interactive/.test(methods);
  if (lockedKey || asks) {
    const error = fail(
      'login-needs-terminal',
      lockedKey ? 'the key for it has a passphrase' : `it asks for more than a key (${methods})`,
      lockedKey
        ? 'ssh-add the key, or run the command in a terminal'
        : 'run the command in a terminal, or set up a key: ssh-copy-id',
    );
    return { error, needsTerminal: true };
  }
  const error = fail(
    'login-refused',
    `login refused${methods === '' ? '' : ` (${methods})`}`,
    'check user and identity_file of the pool, or what `ssh -v` to the host says',
  );
  return { error, needsTerminal: false };
}

function unreachable(said: string, result: ProcessResult, fail: Fail): TowError {
  const name = /Could not resolve hostname ([^:\s]+)/.exec(said)?.[1];
  if (name !== undefined) {
    return fail(
      'host-unreachable',
      `no address found for ${name}`,
      'check the host name in the pool, or your ssh config',
    );
  }
  if (result.timedOut || /timed out|Operation timed out/.test(said)) {
    return fail('host-unreachable', 'no answer in time', 'is the host up, and is there a way to it from here?');
  }
  if (/Connection refused/.test(said)) {
    return fail('host-unreachable', 'connection refused', 'does sshd run there, on this port?');
  }
  if (/Bad configuration option|Bad owner or permissions|terminating, \d+ bad configuration/.test(said)) {
    return fail('host-unreachable', 'ssh cannot read its configuration', 'mend the file that ssh names');
  }
  return fail('host-unreachable', 'ssh could not log in', 'does plain `ssh` to the host work?');
}
