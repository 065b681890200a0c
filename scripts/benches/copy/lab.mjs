// A bucket, a cluster of one local node whose home is in memory, and directories in memory for the others.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sh } from '../../proofs/hosts.mjs';

const endpoint = process.env.TOWLINE_GATEWAY ?? 'http://127.0.0.1:7490';
const keys = {
  AWS_ACCESS_KEY_ID: 'TOWACCESSKEY0000000',
  AWS_SECRET_ACCESS_KEY: 'towsecretkey000000000000000000000000000',
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
};

export class CopyLab {
  #top = mkdtempSync('/dev/shm/tow-copy-');
  #bucket = `flt-bench-${randomBytes(4).toString('hex')}`;
  #home = join(this.#top, 'home');
  #runs = 0;
  #peak = 0;
  #launched = false;

  /** Uploads the objects; for a no-op, has everybody copy them. */
  fill(row) {
    const source = join(this.#top, 'source');
    const at = (k) => (row.objects === 1 ? 'object' : `d${k % 100}/o${k}`);
    for (let d = 0; d < Math.min(100, row.objects); d += 1)
      mkdirSync(join(source, row.objects === 1 ? '' : `d${d}`), { recursive: true });
    if (row.objects === 1) sh(`head -c ${row.bytes} /dev/urandom >${source}/object`);
    else for (let k = 0; k < row.objects; k += 1) writeFileSync(join(source, at(k)), randomBytes(row.bytes));
    this.#run(`aws --endpoint-url ${endpoint} s3 mb s3://${this.#bucket}`);
    if (row.objects === 1)
      this.#run(`aws --endpoint-url ${endpoint} s3 cp ${source}/object s3://${this.#bucket}/set/object --quiet`);
    else this.#run(`rclone copy --transfers 32 --checkers 32 ${source} gw:${this.#bucket}/set`);
    rmSync(source, { recursive: true });
    mkdirSync(this.#home);
    this.#tow('launch', '-c', 'bench', '--infra', 'local', 'true');
    this.#launched = true;
    if (!row.noOp) return;
    this.ours(row);
    this.engine(row);
    // Times as each of them leaves them: the object's own for rclone, of the copy for aws.
    const copied = `${this.#node}/${this.#destination(row)}`;
    this.#run(`cp -a ${copied} ${this.#top}/rclone && cp -r ${copied} ${this.#top}/aws`);
  }

  /** What a user waits for: from Enter to the end of `tow push` with the mounts, on a cluster that runs. */
  ours(row) {
    const dest = this.#destination(row);
    const task = join(this.#top, 'task.yaml');
    writeFileSync(task, `file_mounts:\n  ~/${dest}: s3://${this.#bucket}/set\n`);
    const sample = this.#timed(() => this.#tow('push', 'bench', task, '--file-mounts'));
    this.#peak = Math.max(this.#peak, this.#agentPeak());
    this.#done(row, `${this.#node}/${dest}`);
    return sample;
  }

  /** The agent's thread alone, in a process of its own that starts for it. */
  engine(row) {
    const home = join(this.#top, 'engine');
    const sample = this.#timed(() =>
      this.#run(`${process.execPath} scripts/benches/copy/engine.mjs ${endpoint} ${this.#bucket} ${home}`),
    );
    this.#done(row, home);
    return sample;
  }

  rclone(row, flags) {
    const at = join(this.#top, 'rclone');
    const sample = this.#timed(() => this.#run(`rclone copy ${flags} gw:${this.#bucket}/set ${at}`));
    this.#done(row, at);
    return sample;
  }

  aws(row) {
    const at = join(this.#top, 'aws');
    const sample = this.#timed(() =>
      this.#run(`aws --endpoint-url ${endpoint} s3 sync --quiet s3://${this.#bucket}/set ${at}`),
    );
    this.#done(row, at);
    return sample;
  }

  /** The most that the agent's process ever had in memory, its thread's included. */
  agentPeak() {
    return this.#peak;
  }

  /** Ours and rclone's are equal, the content of every file. */
  checkSame(row) {
    if (!row.noOp) {
      this.#run(`rclone copy --transfers 32 gw:${this.#bucket}/set ${this.#top}/rclone`);
      const dest = this.#destination({ noOp: true });
      writeFileSync(join(this.#top, 'task.yaml'), `file_mounts:\n  ~/${dest}: s3://${this.#bucket}/set\n`);
      this.#tow('push', 'bench', join(this.#top, 'task.yaml'), '--file-mounts');
    }
    const differs = sh(
      `diff -rq ${this.#node}/${this.#destination({ noOp: true })} ${this.#top}/rclone 2>&1 | head -5`,
    );
    if (differs !== '') throw new Error(`ours and rclone's copy differ:\n${differs}`);
  }

  end() {
    if (this.#launched) this.#tow('down', 'bench', '--purge');
    this.#tow('stop');
    rmSync(this.#top, { recursive: true, force: true });
    this.#run(`rclone purge gw:${this.#bucket}`);
  }

  get #node() {
    return join(this.#home, '.towline/local/bench/head');
  }

  /** Another one each time, unless it is to be there already. */
  #destination({ noOp }) {
    return noOp ? 'kept' : `data-${this.#runs}`;
  }

  #done({ noOp }, path) {
    if (noOp) return;
    this.#runs += 1;
    rmSync(path, { recursive: true, force: true });
  }

  #timed(work) {
    const started = performance.now();
    work();
    return { seconds: (performance.now() - started) / 1000 };
  }

  #agentPeak() {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('agent.mjs\0daemon')) continue;
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(this.#home)) continue;
        return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
      } catch {
        // It ended meanwhile.
      }
    }
    throw new Error('no agent runs');
  }

  #tow(...args) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(process.cwd(), 'dist/tow.js'), ...args], {
      env: { PATH: process.env.PATH, HOME: this.#home, AWS_ENDPOINT_URL: endpoint, NO_COLOR: '1', CI: '1', ...keys },
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`tow ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
  }

  #run(command) {
    // A bundle of certificates in the environment is more than this rclone's client understands.
    const { AWS_CA_BUNDLE: _, ...env } = process.env;
    return sh(command, {
      env: {
        ...env,
        ...keys,
        NO_PROXY: '127.0.0.1',
        RCLONE_CONFIG: '/dev/null',
        RCLONE_CONFIG_GW_TYPE: 's3',
        RCLONE_CONFIG_GW_PROVIDER: 'Ceph',
        RCLONE_CONFIG_GW_ENDPOINT: endpoint,
        RCLONE_CONFIG_GW_ENV_AUTH: 'true',
      },
    });
  }
}
