/** Hosts behind a round trip of 20 ms: what git has packed does not travel twice, and what a node will lack follows the change at once. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GitRepository } from '../helpers/git-repository.ts';
import { noise } from '../helpers/noise.ts';
import { cleanHost, controllerEnvironment, hostsScript, type TestHost, testHosts } from '../helpers/ssh-hosts.ts';
import { TowHome } from '../helpers/tow.ts';

let hosts: readonly TestHost[] = [];
let home: TowHome;
let project = '';
let repository: GitRepository;
/** Bytes of the git pack. */
let packed = 0;

beforeAll(() => {
  hosts = testHosts(2);
  hostsScript('delay', '10');
  home = new TowHome();
  controllerEnvironment(home.home);
  mkdirSync(join(home.home, '.towline'), { mode: 0o700 });
  const pools = hosts.map(({ name }) => `${name}: {hosts: [${name}-far]}\n`).join('');
  writeFileSync(join(home.home, '.towline/ssh_node_pools.yaml'), pools);
  project = join(home.home, 'project');
  mkdirSync(project);
  repository = new GitRepository(project, join(home.home, 'scratch'));
  for (let n = 0; n < 300; n += 1) write(`d${n % 9}/f${n}`, text(n, 20_000));
  write('large', text(1000, 3_000_000));
  repository.pack();
  repository.git('checkout', '-qb', 'other');
  for (let n = 0; n < 280; n += 1) write(`d${n % 9}/f${n}`, text(5000 + n, 20_000));
  repository.pack();
  repository.git('checkout', '-q', 'master');
  packed = statSync(join(project, `${repository.packPath}.pack`)).size;
});
afterAll(async () => {
  for (const { name } of hosts) home.run(project, 'down', name);
  await home.dispose();
  hostsScript('delay', '0');
  for (const host of hosts) cleanHost(host);
});

/** Text of which three quarters are left when it is compressed. */
function text(seed: number, length: number): string {
  return noise(seed, Math.ceil((length * 3) / 4))
    .toString('base64')
    .slice(0, length);
}

function write(path: string, content: string): void {
  mkdirSync(join(project, path, '..'), { recursive: true });
  writeFileSync(join(project, path), content);
}

/** Bytes that a command says it sent. */
function sent(...words: readonly string[]): number {
  const { code, stdout, stderr } = home.run(project, ...words, '--json');
  expect([code, stderr]).toEqual([0, stderr]);
  const sync = stdout
    .trim()
    .split('\n')
    .map((line): { readonly sync?: { readonly sentBytes: number } } => JSON.parse(line))
    .findLast((event) => event.sync !== undefined)?.sync;
  return sync?.sentBytes ?? Number.NaN;
}

const listing = `find . -type f -printf '%m %T@ ' -exec sha256sum {} \\; | sort -k4; find . -type d -printf '%m %p\\n' | sort`;

function expectSame(host: TestHost): void {
  const here = execFileSync('bash', ['-c', listing], { cwd: project, encoding: 'utf8', maxBuffer: 1 << 26 });
  expect(host.run(`cd sky_workdir && ${listing}`).split('\n')).toEqual(here.split('\n'));
}

test('a first sync sends the pack, and what else there is, once', () => {
  const [host] = hosts;
  if (host === undefined) throw new Error('no host');
  write('untracked', text(77, 40_000));
  const bytes = sent('launch', '-c', host.name, '--infra', `ssh/${host.name}`, '--workdir', project, 'true');
  expect([bytes > packed, bytes < packed + 300_000]).toEqual([true, true]);
  expectSame(host);
});

test('so does one to another host, where the source is known and nothing is read', () => {
  const [, host] = hosts;
  if (host === undefined) throw new Error('no host');
  const bytes = sent('launch', '-c', host.name, '--infra', `ssh/${host.name}`, '--workdir', project, 'true');
  expect([bytes > packed, bytes < packed + 300_000]).toEqual([true, true]);
  expectSame(host);
});

test('a branch that is in the pack costs its index', () => {
  repository.git('checkout', '-q', 'other');
  for (const host of hosts) {
    expect(sent('exec', host.name, '--workdir', project, 'true')).toBeLessThan(200_000);
    expectSame(host);
  }
});

test.each([
  ['1.8 MB', 90],
  ['5 MB', 250],
])('%s that git does not have: each new chunk travels once', (_, count) => {
  for (let n = 0; n < count; n += 1) write(`d${n % 9}/f${n}`, text(20_000 * count + n, 20_000));
  // A copy of what is there already.
  rmSync(join(project, 'copy'), { recursive: true, force: true });
  execFileSync('cp', ['-r', join(project, 'd8'), join(project, 'copy')]);
  for (const host of hosts) {
    const bytes = sent('exec', host.name, '--workdir', project, 'true');
    expect([bytes > count * 14_000, bytes < count * 17_000]).toEqual([true, true]);
    expectSame(host);
  }
});
