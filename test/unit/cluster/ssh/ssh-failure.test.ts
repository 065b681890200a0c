import { expect, test } from 'vitest';
import { sshFailure } from '../../../../controller/cluster/ssh/ssh-failure.ts';

/** What OpenSSH 8.0 to 9.8 say at DEBUG1 in the C locale, as far as it matters. */
const cases: readonly (readonly [string, string, string, boolean])[] = [
  ['ssh: connect to host 10.0.0.1 port 22: Connection refused', 'host-unreachable', 'connection refused', false],
  ['ssh: connect to host 10.0.0.1 port 22: Connection timed out', 'host-unreachable', 'no answer in time', false],
  ['ssh: connect to host 10.0.0.1 port 22: Operation timed out', 'host-unreachable', 'no answer in time', false],
  ['Connection timed out during banner exchange', 'host-unreachable', 'no answer in time', false],
  [
    'ssh: Could not resolve hostname gpu1: Name or service not known',
    'host-unreachable',
    'no address found for gpu1',
    false,
  ],
  ['kex_exchange_identification: Connection closed by remote host', 'host-unreachable', 'ssh could not log in', false],
  [
    '/home/u/.ssh/config: line 3: Bad configuration option: foo',
    'host-unreachable',
    'cannot read its configuration',
    false,
  ],
  ['u@h: Permission denied (publickey).', 'login-refused', 'login refused (publickey)', false],
  [
    'Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures',
    'login-refused',
    'login refused',
    false,
  ],
  [
    'u@h: Permission denied (publickey,password).',
    'login-needs-terminal',
    'more than a key (publickey,password)',
    true,
  ],
  ['u@h: Permission denied (keyboard-interactive).', 'login-needs-terminal', 'more than a key', true],
  [
    'debug1: Server accepts key: /k ED25519\nu@h: Permission denied (publickey).',
    'login-needs-terminal',
    'passphrase',
    true,
  ],
  [
    'No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.',
    'host-key-refused',
    'not known',
    false,
  ],
  ['Host key verification failed.', 'host-key-refused', 'not known', true],
  [
    '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nOffending ECDSA key in /home/u/.ssh/known_hosts:7\nHost key verification failed.',
    'host-key-refused',
    '/home/u/.ssh/known_hosts:7',
    false,
  ],
];

test.each(cases)('%s', (stderr, code, message, needsTerminal) => {
  for (const text of [stderr, stderr.replaceAll('\n', '\r\n')]) {
    const failure = sshFailure('h', { code: 255, stdout: '', stderr: `debug1: noise\n${text}\n`, timedOut: false });
    expect(failure.error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(failure.error.hint).not.toBe('');
    expect(failure.needsTerminal).toBe(needsTerminal);
    expect(String(failure.error.cause)).not.toContain('debug1');
  }
});

test('an ssh that was killed for its silence is a host that does not answer', () => {
  const failure = sshFailure('h', { code: undefined, stdout: '', stderr: '', timedOut: true });
  expect(failure.error).toMatchObject({ code: 'host-unreachable', message: 'h: no answer in time', retryable: true });
});
