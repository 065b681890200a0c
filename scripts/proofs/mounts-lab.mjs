// What the proof of file mounts has at hand: an S3 server, a door to it for two ssh hosts, storages and launches.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sh, startHosts, Tow } from './hosts.mjs';
import { linesOf, linesOnHost } from './trees.mjs';

const state = process.env.TOWLINE_HOSTS ?? '/run/towline-hosts';
const here = '10.78.0.1';

/** A node, and where its files are looked at. */
const nodes = [
  { name: 'tow0', cluster: 'far', host: 0 },
  { name: 'tow1', cluster: 'far', host: 1 },
  { name: 'local head', cluster: 'near', node: 'head' },
  { name: 'local worker1', cluster: 'near', node: 'worker1' },
];

export class MountsLab {
  static async start() {
    const variables = sh('scripts/gateway up')
      .trim()
      .split('\n')
      .map((line) => line.split('='));
    const gateway = Object.fromEntries(variables);
    const { bin } = startHosts();
    const address = new URL(gateway.AWS_ENDPOINT_URL).host;
    const door = spawn(process.execPath, ['scripts/proofs/door.mjs', here, address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const port = await new Promise((resolve) => door.stdout.once('data', (data) => resolve(String(data).trim())));
    return new MountsLab(gateway, address, bin, door, `http://${here}:${port}`);
  }

  constructor(gateway, address, bin, door, endpoint) {
    this.address = address;
    this.gateway = gateway;
    this.door = door;
    this.tow = new Tow(bin);
    Object.assign(this.tow.env, gateway, { AWS_ENDPOINT_URL: endpoint });
    this.top = mkdtempSync('/dev/shm/towline-mounts-');
    this.cache = join(this.top, 'cache');
    mkdirSync(this.cache);
    this.run = Math.random().toString(36).slice(2, 8);
    this.tow.must('pool', 'add', 'lab', 'tow0', 'tow1');
    this.nodes = nodes;
  }

  bucket(name) {
    return `proof-${name}-${this.run}`;
  }

  task(name, mounts) {
    const at = join(this.top, `${name}.yaml`);
    const lines = mounts.map(
      ({ dest, storage, source }) =>
        `  ${dest}: {name: ${this.bucket(storage)}, source: ${source}, mode: COPY, persistent: false}\n`,
    );
    writeFileSync(at, `file_mounts:\n${lines.join('')}sync: {mirror: true}\nrun: 'true'\n`);
    return at;
  }

  launchLine(cluster, task) {
    const infra = cluster === 'far' ? ['--infra', 'ssh/lab'] : ['--infra', 'local'];
    return ['launch', '-c', cluster, ...infra, '--num-nodes', '2', task];
  }

  /** What a launch says of itself; `uploaded` has files that went to buckets. */
  launch(cluster, task) {
    const ran = this.tow.must(...this.launchLine(cluster, task), '--json');
    const events = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const notes = events.filter(({ type }) => type === 'note').map(({ text }) => text);
    const uploaded = notes
      .map((text) => /uploaded ([\d,]+) of /.exec(text)?.[1]?.replaceAll(',', ''))
      .filter((count) => count !== undefined);
    return {
      ...events.at(-1).sync,
      notes,
      uploaded: uploaded.reduce((total, count) => total + Number(count), 0),
      wallSeconds: ran.seconds,
    };
  }

  linesAt({ host, cluster, node }, path) {
    if (host !== undefined) return linesOnHost(host, path);
    return linesOf(join(this.tow.home, '.towline/local', cluster, node, path));
  }

  /** Objects of a bucket by key, as s3cmd sees them: size and MD5. */
  objects(name) {
    const lines = this.s3cmd('ls', '--recursive', '--list-md5', `s3://${this.bucket(name)}`).split('\n');
    return new Map(
      lines.flatMap((line) => {
        const match = /^\S+ \S+ +(\d+) +(\S+) +s3:\/\/[^/]+\/(.*)$/.exec(line);
        return match === null ? [] : [[match[3], { size: Number(match[1]), md5: match[2] }]];
      }),
    );
  }

  s3cmd(...args) {
    const keys = [
      `--access_key=${this.gateway.AWS_ACCESS_KEY_ID}`,
      `--secret_key=${this.gateway.AWS_SECRET_ACCESS_KEY}`,
    ];
    const plain = [
      '--config=/dev/null',
      ...keys,
      `--host=${this.address}`,
      `--host-bucket=${this.address}`,
      '--no-ssl',
    ];
    return execFileSync('s3cmd', [...plain, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
  }

  /** As root on a host. */
  asRoot(k, command) {
    return sh(`nsenter -t $(cat ${state}/host${k}.pid) -a bash -c ${JSON.stringify(command)}`, { cwd: '/' });
  }

  /** kill -9 of agents on all hosts, of the controller, or of the connections; or Ctrl-C. */
  kill(victim, child) {
    if (victim === 'Ctrl-C') {
      child.kill('SIGINT');
      return;
    }
    if (victim === 'controller') {
      process.kill(Number(readFileSync(join(this.tow.home, '.towline/controller/lock'), 'utf8')), 'SIGKILL');
      return;
    }
    const which = victim === 'link' ? '-x sshd' : "-f 'agent.mjs daemon'";
    for (const k of [0, 1]) this.asRoot(k, `pkill -KILL -u tow${k} ${which} || true`);
  }

  /** A launch that something is done to, a random moment after a phase began; resolves with its exit code once it has ended. */
  async launchAndStrike(cluster, task, wanted, strike) {
    return await new Promise((resolve) => {
      const child = spawn(process.execPath, ['dist/tow.js', ...this.launchLine(cluster, task), '--json'], {
        env: this.tow.env,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let phase = 'start';
      let hit;
      let timer;
      const soon = (ms) => {
        timer ??= setTimeout(() => {
          hit = phase;
          strike(child);
        }, Math.random() * ms);
      };
      if (wanted === 'start') soon(1000);
      child.stdout.setEncoding('utf8').on('data', (text) => {
        for (const [, now] of text.matchAll(/"phase":"(\w+)"/g)) {
          phase = now;
          if (now === wanted) soon(200);
        }
      });
      child.on('close', (code) => {
        clearTimeout(timer);
        resolve({ code, hit: hit ?? 'none' });
      });
    });
  }

  end() {
    for (const cluster of ['far', 'near']) this.tow.run('down', cluster, '--purge');
    this.tow.run('storage', 'delete', '--all');
    this.tow.end();
    this.door.kill();
    rmSync(this.top, { recursive: true, force: true });
  }
}
