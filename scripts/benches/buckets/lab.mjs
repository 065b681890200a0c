// What benchmarks with buckets share: a place in memory, a bucket of the S3 server, a cluster of one local node whose home is there, and the others' programs.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sh } from '../../proofs/hosts.mjs';

export const endpoint = process.env.TOWLINE_GATEWAY ?? 'http://127.0.0.1:7490';
const keys = {
  AWS_ACCESS_KEY_ID: 'TOWACCESSKEY0000000',
  AWS_SECRET_ACCESS_KEY: 'towsecretkey000000000000000000000000000',
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
};

export class BucketLab {
  #launched = false;

  constructor(name) {
    this.top = mkdtempSync(`/dev/shm/tow-${name}-`);
    this.home = join(this.top, 'home');
  }

  static bucketName() {
    return `flt-bench-${randomBytes(4).toString('hex')}`;
  }

  /** So many files of so many bytes, in a hundred directories. Returns where. */
  fillSource({ objects, bytes }) {
    const source = join(this.top, 'source');
    for (let d = 0; d < Math.min(100, objects); d += 1) mkdirSync(join(source, `d${d}`), { recursive: true });
    for (let k = 0; k < objects; k += 1) writeFileSync(join(source, `d${k % 100}/o${k}`), randomBytes(bytes));
    return source;
  }

  launch() {
    mkdirSync(this.home);
    this.tow('launch', '-c', 'bench', '--infra', 'local', 'true');
    this.#launched = true;
  }

  /** Home of the node. */
  get node() {
    return join(this.home, '.towline/local/bench/head');
  }

  end() {
    if (this.#launched) this.tow('down', 'bench', '--purge');
    this.tow('stop');
    rmSync(this.top, { recursive: true, force: true });
  }

  timed(work) {
    const started = performance.now();
    work();
    return { seconds: (performance.now() - started) / 1000 };
  }

  tow(...args) {
    return this.program(join(process.cwd(), 'dist/tow.js'), ...args);
  }

  /** What a program of Node says, as a user of this lab. */
  program(...args) {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      env: { PATH: process.env.PATH, HOME: this.home, AWS_ENDPOINT_URL: endpoint, NO_COLOR: '1', CI: '1', ...keys },
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (status !== 0) throw new Error(`${args.join(' ')}: ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  aws(command) {
    return this.run(`aws --endpoint-url ${endpoint} s3 ${command}`);
  }

  run(command) {
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
