import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Real sshd hosts from scripts/hosts, which stay up from one test file to the next. Needs root, and says so. */

const directory = process.env['TOWLINE_HOSTS'] ?? '/run/towline-hosts';

export interface TestHost {
  /** As the ssh config names it. */
  readonly name: string;
  readonly index: number;
  readonly user: string;
  readonly home: string;
  /** Runs a command there as the host's ordinary user, without ssh; returns its stdout. */
  run(command: string): string;
  /** The same as the host's root. */
  runAsRoot(command: string): string;
  /** Restarts sshd with extra lines of configuration. */
  configureSshd(...lines: readonly string[]): void;
}

/** Runs scripts/hosts with these arguments; its stderr is the test's. */
export function hostsScript(...args: readonly string[]): void {
  execFileSync('scripts/hosts', args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Starts (or finds) `count` hosts with sshd's default configuration and nothing of Towline's on them. */
export function testHosts(count: number): readonly TestHost[] {
  hostsScript('up', String(count));
  const hosts = Array.from({ length: count }, (_, index) => testHost(index));
  for (const host of hosts) cleanHost(host);
  return hosts;
}

/** Ends the user's processes on a host, empties its `~/.towline` and workdir, and lets the hosts' key in again. */
export function cleanHost(host: TestHost): void {
  host.configureSshd();
  host.runAsRoot(`pkill -KILL -u ${host.user} || true`);
  host.runAsRoot(`rm -rf ${host.home}/.towline ${host.home}/sky_workdir`);
  host.runAsRoot(`cp ${directory}/key.pub ${host.home}/.ssh/authorized_keys`);
}

function testHost(index: number): TestHost {
  const user = `tow${index}`;
  const runAsRoot = (command: string): string => {
    const pid = readFileSync(join(directory, `host${index}.pid`), 'utf8').trim();
    return execFileSync('nsenter', ['-t', pid, '-a', 'bash', '-c', command], { encoding: 'utf8', cwd: '/' });
  };
  return {
    name: user,
    index,
    user,
    home: `/home/${user}`,
    runAsRoot,
    run: (command) => runAsRoot(`cd ~${user} && exec su ${user} -s /bin/bash -c ${quote(command)}`),
    configureSshd: (...lines) => hostsScript('sshd', String(index), ...lines),
  };
}

/** A HOME for a controller, in `home`, whose ssh config knows the hosts; the environment of its requests. */
export function controllerEnvironment(home: string): Record<string, string> {
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 });
  const config = readFileSync(join(directory, 'ssh_config'), 'utf8');
  const knownHosts = join(home, '.ssh', 'known_hosts');
  writeFileSync(join(home, '.ssh', 'config'), config.replaceAll(`${directory}/known_hosts`, knownHosts));
  return { HOME: home, PATH: process.env['PATH'] ?? '/usr/bin:/bin' };
}

/** The password of the hosts' users. */
export function hostsPassword(): string {
  return readFileSync(join(directory, 'password'), 'utf8');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
