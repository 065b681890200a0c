/** Absolute destinations on a node that ssh reaches, for an account that is not root, with sudo and without. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { cleanHost, controllerEnvironment, type TestHost, testHosts } from '../helpers/ssh-hosts.ts';
import { type Ran, TowHome } from '../helpers/tow.ts';

let host: TestHost;
let home: TowHome;

beforeAll(() => {
  const [first] = testHosts(1);
  if (first === undefined) throw new Error('no host');
  host = first;
  home = new TowHome();
  controllerEnvironment(home.home);
  mkdirSync(join(home.home, '.towline'), { mode: 0o700 });
  writeFileSync(join(home.home, '.towline/ssh_node_pools.yaml'), `lab: {hosts: [${host.name}]}\n`);
  mkdirSync(join(home.home, 'set/deep'), { recursive: true });
  writeFileSync(join(home.home, 'set/deep/a'), 'a1\n');
  writeFileSync(join(home.home, 'conf'), 'c1\n');
  // The host's own: nothing of this is on the machine that it shares with other hosts.
  host.runAsRoot('mount -t tmpfs -o mode=755 tmpfs /srv; mount -t tmpfs -o mode=755 tmpfs /etc/sudoers.d');
});
afterAll(async () => {
  await home.dispose();
  host.runAsRoot('umount /srv /etc/sudoers.d');
  cleanHost(host);
});
beforeEach(() => {
  host.runAsRoot('rm -rf /srv/* /etc/sudoers.d/*');
});

function allowSudo(names = ['mkdir', 'chown', 'rmdir']): void {
  const tools = names.map((tool) => `/usr/bin/${tool}`).join(', ');
  host.runAsRoot(`echo '${host.user} ALL=(root) NOPASSWD: ${tools}' >/etc/sudoers.d/tow`);
}

/** Launches a task that mounts these. */
function launch(mounts: Readonly<Record<string, string>>): Ran {
  const lines = Object.entries(mounts).map(([dest, source]) => `  ${dest}: ${source}\n`);
  writeFileSync(join(home.home, 'task.yaml'), `file_mounts:\n${lines.join('')}run: echo ran\n`);
  return home.run(home.home, 'launch', '-c', 'dev', '--infra', 'ssh/lab', 'task.yaml');
}

const owners = (...paths: readonly string[]): string[] =>
  host
    .runAsRoot(`stat -c '%U %a %F' ${paths.join(' ')}`)
    .trim()
    .split('\n');

test('with sudo: what is missing is made and is the account’s, what was there is left as it is', () => {
  allowSudo();
  host.runAsRoot('mkdir /srv/there; echo theirs >/srv/there/file');
  const ran = launch({ '/srv/set': './set', '/srv/new/deep/set': './set', '/srv/files/etc/conf': './conf' });
  expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('synced')]);
  expect(host.run('cat /srv/set/deep/a /srv/new/deep/set/deep/a /srv/files/etc/conf')).toBe('a1\na1\nc1\n');
  const own = [host.user, '755', 'directory'].join(' ');
  expect(owners('/srv/set', '/srv/new', '/srv/new/deep', '/srv/new/deep/set', '/srv/files/etc')).toEqual(
    Array(5).fill(own),
  );
  expect(owners('/srv', '/srv/there')).toEqual(Array(2).fill('root 755 directory'));
  expect(host.runAsRoot('find /srv -type l; ls -A /srv').trim().split('\n').sort()).toEqual([
    'files',
    'new',
    'set',
    'there',
  ]);

  // Nothing is made any more, so sudo is not needed.
  host.runAsRoot('rm /etc/sudoers.d/tow');
  writeFileSync(join(home.home, 'set/deep/a'), 'a2\n');
  host.run('echo mine >/srv/set/out');
  expect(launch({ '/srv/set': './set', '/srv/new/deep/set': './set' }).code).toBe(0);
  expect(host.run('cat /srv/set/deep/a /srv/new/deep/set/deep/a /srv/set/out')).toBe('a2\na2\nmine\n');
  expect(host.run('ls -A /srv/set').trim().split('\n')).toEqual(['deep', 'out']);
  writeFileSync(join(home.home, 'set/deep/a'), 'a1\n');
});

test.each([
  ['/srv/set', './set', '/srv/set'],
  ['/srv/new/deep/set', './set', '/srv/new /srv/new/deep'],
  ['/srv/new/conf', './conf', '/srv/new'],
])('without sudo, %s is refused with the command that helps, which does', (dest, source, made) => {
  const { code, stderr } = launch({ [dest]: source });
  const command = `sudo mkdir -- ${made} && sudo chown -- ${host.user}: ${made}`;
  expect([code, stderr]).toEqual([247, expect.stringContaining(`cannot sync to ${dest}: ${host.user} may not make`)]);
  expect(stderr).toContain(`hint: on the node: ${command}\n`);
  expect(host.runAsRoot('ls -A /srv')).toBe('');
  host.runAsRoot(command);
  expect(launch({ [dest]: source }).code).toBe(0);
  expect(host.run(`find ${dest} -type f -exec cat {} +`)).toBe(source === './set' ? 'a1\n' : 'c1\n');
});

test('sudo that may make directories and not give them away: none is left behind', () => {
  allowSudo(['mkdir', 'rmdir']);
  const { code, stderr } = launch({ '/srv/new/deep/set': './set' });
  expect([code, stderr]).toEqual([
    247,
    expect.stringContaining('hint: on the node: sudo mkdir -- /srv/new /srv/new/deep'),
  ]);
  expect(host.runAsRoot('ls -A /srv')).toBe('');
});

test('a directory of somebody else is used where the account may write, and never given away', () => {
  allowSudo();
  host.runAsRoot('mkdir -m 1777 /srv/open; mkdir -m 755 /srv/shut; echo theirs >/srv/open/file');
  expect(launch({ '/srv/open': './set' }).code).toBe(0);
  expect(host.run('cat /srv/open/deep/a /srv/open/file')).toBe('a1\ntheirs\n');
  expect(owners('/srv/open')).toEqual(['root 1777 directory']);
  const again = launch({ '/srv/open': './set' });
  expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/synced/)]);
  for (const [dest, why] of [
    ['/srv/shut', 'may not write in /srv/shut, which is there already'],
    ['/srv/shut/conf', 'may not write in /srv/shut'],
  ] as const) {
    const { code, stderr } = launch({ [dest]: dest.endsWith('conf') ? './conf' : './set' });
    expect([code, stderr]).toEqual([247, expect.stringContaining(why)]);
  }
  expect(owners('/srv/shut')).toEqual(['root 755 directory']);
  expect(host.runAsRoot('ls -A /srv/shut')).toBe('');
});
