// What proofs and benchmarks over ssh share: two test hosts, a home for tow, and the Linux source as a repository.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const state = process.env.TOWLINE_HOSTS ?? '/run/towline-hosts';
const tarball = '/usr/src/linux-source-6.1.tar.xz';

export function sh(command, options = {}) {
  return execFileSync('bash', ['-c', command], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
}

/** Hosts 0 and 1 with empty homes in memory, and an ssh that knows them. */
export function startHosts(count = 2) {
  sh(`scripts/hosts up ${count}`);
  for (let k = 0; k < count; k += 1) sh(`scripts/hosts sshd ${k}; scripts/hosts home ${k} 6g 2000000`);
  const bin = join(mkdtempSync('/tmp/tow-bin-'), 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F ${state}/ssh_config "$@"\n`);
  chmodSync(join(bin, 'ssh'), 0o755);
  return { bin, ssh: join(bin, 'ssh') };
}

/** Runs something on a host as its ordinary user, without ssh. */
export function onHost(k, command) {
  return sh(`nsenter -t $(cat ${state}/host${k}.pid) -a su tow${k} -c ${JSON.stringify(`cd; ${command}`)}`);
}

/** The Linux source as a git repository of one commit, in memory. Debian's .gitignore ignores all of it, so it is added by force. */
export function linuxTree(at) {
  if (!existsSync(tarball))
    sh('apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq linux-source-6.1 >/dev/null');
  rmSync(at, { recursive: true, force: true });
  mkdirSync(at, { recursive: true });
  sh(`tar -xf ${tarball} -C ${at} --strip-components=1`);
  const git = `git -C ${at} -c user.name=t -c user.email=t@t -c gc.auto=0`;
  sh(`${git} init -q && ${git} add -Af . && ${git} commit -qm one && ${git} repack -qad && ${git} prune-packed -q`);
}

export class Tow {
  constructor(bin) {
    this.home = mkdtempSync('/tmp/tow-home-');
    this.env = { ...process.env, HOME: this.home, PATH: `${bin}:${process.env.PATH}`, NO_COLOR: '1', CI: '1' };
  }

  run(...args) {
    const started = performance.now();
    const { status, stdout, stderr } = spawnSync(join(process.cwd(), 'dist/tow.js'), args, {
      env: this.env,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    return { status, stdout, stderr, seconds: (performance.now() - started) / 1000 };
  }

  /** Like `run`, but anything but exit code 0 ends the program. */
  must(...args) {
    const ran = this.run(...args);
    if (ran.status !== 0) throw new Error(`tow ${args.join(' ')}: exit code ${ran.status}\n${ran.stderr}`);
    return ran;
  }

  /** The summary of a command, from its JSON. */
  summary(...args) {
    const ran = this.must(...args, '--json');
    return { ...JSON.parse(ran.stdout.trim().split('\n').at(-1)), wallSeconds: ran.seconds };
  }

  end() {
    this.run('stop');
    rmSync(this.home, { recursive: true, force: true, maxRetries: 20 });
  }
}

export function machine() {
  return `${sh('nproc').trim()} cores, Node ${process.version}, ${sh('rsync --version | head -1').trim()}, ${sh('ssh -V 2>&1').trim()}, kernel ${sh('uname -r').trim()}`;
}
