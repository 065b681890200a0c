import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openControlMaster } from '../../controller/cluster/ssh/control-master.ts';
import type { SshHost } from '../../controller/cluster/ssh/ssh-host.ts';
import { type UploadFile, uploadFiles } from '../../controller/cluster/ssh/upload.ts';
import { buildDiallingAgent, SshController } from '../helpers/ssh-controller.ts';
import { cleanHost, hostsPassword, hostsScript, type TestHost, testHosts } from '../helpers/ssh-hosts.ts';

let dist: string;
let host: TestHost;

beforeAll(async () => {
  dist = await buildDiallingAgent(mkdtempSync('/tmp/tow-dist-'));
  const second = testHosts(2)[1];
  if (second === undefined) throw new Error('no host');
  host = second;
});
afterAll(() => {
  cleanHost(host);
  rmSync(dist, { recursive: true });
});
beforeEach(() => cleanHost(host));

/** A key of the user's own, in place of the one that the hosts' ssh config names. */
function makeKey(controller: SshController, passphrase: string): string {
  const file = join(controller.home, '.ssh', 'own-key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', file]);
  const config = join(controller.home, '.ssh', 'config');
  writeFileSync(config, readFileSync(config, 'utf8').replaceAll(/IdentityFile .*/g, `IdentityFile ${file}`));
  return file;
}

function configOf(controller: SshController): readonly string[] {
  return ['-F', join(controller.home, '.ssh', 'config'), '-o', 'StrictHostKeyChecking=accept-new'];
}

function authorize(key: string): void {
  const line = readFileSync(`${key}.pub`, 'utf8').trim();
  host.run(`echo '${line}' > ~/.ssh/authorized_keys`);
}

async function failure(controller: SshController, more: Partial<SshHost> = {}): Promise<unknown> {
  const options = controller.options(host, dist);
  const before = performance.now();
  const error: unknown = await controller.connect({ ...options, host: { ...options.host, ...more } }).then(
    () => 'connected',
    (reason: unknown) => reason,
  );
  expect(performance.now() - before).toBeLessThan(15_000);
  return error;
}

/** Stands for the user at the terminal: ssh asks this script instead. */
function typing(controller: SshController, answer: string): (argv: readonly string[]) => Promise<number> {
  const script = join(controller.home, 'answer');
  writeFileSync(script, `#!/bin/sh\necho '${answer}'\n`);
  chmodSync(script, 0o700);
  return async ([file, ...args]) => {
    if (file === undefined) throw new Error('no command line');
    const env = { ...controller.env, SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'none' };
    const child = spawn(file, args, { env, stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    return Number(code);
  };
}

test('a host that is down, a port without sshd and a name without an address are unreachable', async () => {
  await using controller = new SshController();
  expect(await failure(controller, { port: 2 })).toMatchObject({
    code: 'host-unreachable',
    message: 'tow1:2: connection refused',
    retryable: true,
  });
  expect(await failure(controller, { host: 'no-such-host.invalid' })).toMatchObject({
    code: 'host-unreachable',
    message: expect.stringContaining('no address found for no-such-host.invalid'),
  });
  expect(await failure(controller, { host: '10.78.0.200' })).toMatchObject({ code: 'host-unreachable' });
});

test('a host that takes connections but never answers is given up, and Ctrl-C ends the wait at once', async () => {
  await using controller = new SshController();
  host.runAsRoot('pkill -STOP -x sshd');
  try {
    const abort = new AbortController();
    const connecting = controller.connect(controller.options(host, dist), abort.signal);
    const cancelled = expect(connecting).rejects.toMatchObject({ code: 'cancelled' });
    abort.abort();
    await cancelled;
    expect(await failure(controller)).toMatchObject({ code: 'host-unreachable', retryable: true });
    expect(execFileSync('bash', ['-c', 'pgrep -f "^ssh .*tow1" || true'], { encoding: 'utf8' })).toBe('');
  } finally {
    host.runAsRoot('pkill -CONT -x sshd');
  }
});

test('a changed host key is refused, also where the user switched checking off', async () => {
  await using controller = new SshController();
  const config = join(controller.home, '.ssh', 'config');
  writeFileSync(config, `StrictHostKeyChecking no\n${readFileSync(config, 'utf8')}`);
  const knownHosts = join(controller.home, '.ssh', 'known_hosts');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(controller.home, 'other')]);
  writeFileSync(knownHosts, `10.78.0.11 ${readFileSync(join(controller.home, 'other.pub'), 'utf8')}`);
  expect(await failure(controller)).toMatchObject({
    code: 'host-key-refused',
    message: expect.stringContaining(knownHosts),
    hint: expect.stringContaining('ssh-keygen -R'),
  });
});

test('an unknown host key is taken on first use, but refused where the user is stricter', async () => {
  await using controller = new SshController();
  await controller.connect(controller.options(host, dist));
  expect(readFileSync(join(controller.home, '.ssh', 'known_hosts'), 'utf8')).toContain('10.78.0.11 ssh-ed25519');
  await using strict = new SshController();
  const config = join(strict.home, '.ssh', 'config');
  writeFileSync(config, `StrictHostKeyChecking yes\n${readFileSync(config, 'utf8')}`);
  expect(await failure(strict)).toMatchObject({
    code: 'host-key-refused',
    message: expect.stringContaining('not known'),
  });
});

test('a wrong key is refused where only keys are taken', async () => {
  host.configureSshd('PasswordAuthentication no', 'KbdInteractiveAuthentication no');
  await using controller = new SshController();
  makeKey(controller, '');
  expect(await failure(controller)).toMatchObject({
    code: 'login-refused',
    message: 'tow1: login refused (publickey)',
  });
});

test('a key with a passphrase needs a terminal, and with one the node stays connected', async () => {
  host.configureSshd('PasswordAuthentication no', 'KbdInteractiveAuthentication no');
  await using controller = new SshController();
  authorize(makeKey(controller, 'open sesame'));
  expect(await failure(controller)).toMatchObject({
    code: 'login-needs-terminal',
    message: 'tow1: the key for it has a passphrase',
    hint: expect.stringContaining('ssh-add'),
  });
  const wrong = controller.options(host, dist, { login: typing(controller, 'open barley') });
  await expect(controller.connect(wrong)).rejects.toMatchObject({ code: 'login-refused' });
  const right = controller.options(host, dist, { login: typing(controller, 'open sesame') });
  const node = await controller.connect(right);
  expect((await controller.hello()).keyId).toBe(right.identity.keyId);

  host.runAsRoot(`pkill -KILL -u ${host.user} sshd`);
  await controller.state(node, 'needs-login');
  expect(node.failure?.code).toBe('login-needs-terminal');
  await node.reconnect(right, new AbortController().signal);
  expect(node.state).toBe('connected');
  expect((await controller.hello()).keyId).toBe(right.identity.keyId);
});

test('a password needs a terminal, and with one it is asked for', async () => {
  host.run(': > ~/.ssh/authorized_keys');
  await using controller = new SshController();
  expect(await failure(controller)).toMatchObject({
    code: 'login-needs-terminal',
    message: expect.stringContaining('password'),
  });
  const options = controller.options(host, dist, { login: typing(controller, hostsPassword()) });
  await controller.connect(options);
  expect((await controller.hello()).keyId).toBe(options.identity.keyId);
});

test('a connection made on a terminal outlives a controller that is killed, and is found again', async () => {
  await using controller = new SshController();
  authorize(makeKey(controller, 'open sesame'));
  const options = controller.options(host, dist, { login: typing(controller, 'open sesame') });
  const first = await controller.connect(options);
  await controller.hello();
  const next = await controller.connect({ ...options, login: undefined });
  expect(next.state).toBe('connected');
  expect((await controller.hello()).keyId).toBe(options.identity.keyId);
  await first[Symbol.asyncDispose]();
});

test('a login that prints does not matter', async () => {
  await using controller = new SshController();
  host.configureSshd('DisableForwarding yes');
  host.run('cp ~/.bashrc ~/.bashrc.old');
  host.run('(echo "echo towline-probe-begin; echo welcome; echo careful >&2"; cat ~/.bashrc.old) > ~/.bashrc');
  try {
    expect(execFileSync('ssh', [...configOf(controller), 'tow1', 'true']).toString()).toContain('welcome');
    const node = await controller.connect(controller.options(host, dist));
    await controller.hello();
    expect(node.tunnel).toBe('bridge');
  } finally {
    host.run('mv ~/.bashrc.old ~/.bashrc');
  }
});

test.each(['/bin/dash', '/bin/tcsh', '/usr/bin/fish'])('the login shell may be %s', async (shell) => {
  await using controller = new SshController();
  execFileSync('usermod', ['-s', shell, host.user]);
  try {
    const options = controller.options(host, dist);
    await controller.connect(options);
    expect((await controller.hello()).keyId).toBe(options.identity.keyId);
  } finally {
    execFileSync('usermod', ['-s', '/bin/bash', host.user]);
  }
});

test('an account that runs no commands is named as such', async () => {
  await using controller = new SshController();
  execFileSync('usermod', ['-s', '/usr/sbin/nologin', host.user]);
  try {
    expect(await failure(controller)).toMatchObject({
      code: 'host-unreachable',
      hint: expect.stringContaining('nologin'),
    });
  } finally {
    execFileSync('usermod', ['-s', '/bin/bash', host.user]);
  }
});

test.each([
  ['no-space', ['1m'], 'bytes are free'],
  ['no-inodes', ['50m', '14'], 'inodes are free'],
] as const)('%s is told before anything is sent', async (code, size, text) => {
  await using controller = new SshController();
  hostsScript('home', String(host.index), ...size);
  try {
    expect(await failure(controller)).toMatchObject({ code, message: expect.stringContaining(text) });
    expect(host.run('ls -A').trim()).toBe('.ssh');
  } finally {
    hostsScript('home', String(host.index));
  }
});

test('space that runs out while sending leaves nothing of the file behind', async () => {
  await using controller = new SshController();
  hostsScript('home', String(host.index), '4m');
  const { host: target, env, stateDir } = controller.options(host, dist);
  const never = new AbortController().signal;
  const master = await openControlMaster(
    { host: target, env, socket: join(stateDir, 'space'), login: undefined },
    never,
  );
  try {
    const contents = randomBytes(8 << 20);
    const file: UploadFile = {
      name: 'agent.mjs',
      sha256: createHash('sha256').update(contents).digest('hex'),
      bytes: contents.length,
      mode: '600',
      open: () => Readable.from([gzipSync(contents)]),
    };
    await expect(uploadFiles(master, 'tow1', { dir: 'builds', token: 'one' }, [file], never)).rejects.toMatchObject({
      code: 'no-space',
      message: 'tow1: cannot write ~/builds/agent.mjs (8388608 bytes): no space left',
    });
    expect(host.run('ls -A ~/builds').trim()).toBe('');
  } finally {
    await master.end();
    hostsScript('home', String(host.index));
  }
});

test('what does not arrive as it was sent is not put in place', async () => {
  await using controller = new SshController();
  const { host: target, env, stateDir } = controller.options(host, dist);
  const never = new AbortController().signal;
  const master = await openControlMaster(
    { host: target, env, socket: join(stateDir, 'digest'), login: undefined },
    never,
  );
  try {
    const file: UploadFile = {
      name: 'agent.mjs',
      sha256: createHash('sha256').update('this').digest('hex'),
      bytes: 4,
      mode: '600',
      open: () => Readable.from([gzipSync('that')]),
    };
    await expect(uploadFiles(master, 'tow1', { dir: 'builds', token: 'one' }, [file], never)).rejects.toMatchObject({
      code: 'chunk-mismatch',
    });
    expect(host.run('ls -A ~/builds; rm -r ~/builds').trim()).toBe('');
  } finally {
    await master.end();
  }
});
