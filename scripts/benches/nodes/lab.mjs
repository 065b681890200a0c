// Three ssh hosts with homes in memory, a bucket that they reach through the line from this machine to them, and a cluster.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onHost, sh, startHosts, Tow } from '../../proofs/hosts.mjs';

const gateway = new URL(process.env.TOWLINE_GATEWAY ?? 'http://127.0.0.1:7490');
const here = '10.78.0.1';
const relayPort = 7480;
const nodes = 3;
const keys = {
  AWS_ACCESS_KEY_ID: 'TOWACCESSKEY0000000',
  AWS_SECRET_ACCESS_KEY: 'towsecretkey000000000000000000000000000',
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
};

export class NodesLab {
  #scratch = mkdtempSync('/dev/shm/tow-nodes-');
  #bucket = `flt-nodes-${randomBytes(4).toString('hex')}`;
  #copies = 0;
  #digest;

  constructor() {
    const source = join(this.#scratch, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'large'), randomBytes(150 << 20));
    for (let d = 0; d < 20; d += 1) {
      mkdirSync(join(source, `d${d}`));
      for (let k = 0; k < 100; k += 1) writeFileSync(join(source, `d${d}`, `o${k}`), randomBytes(25_000));
    }
    this.#digest = sh(`cd ${source} && ${digestOf('.')}`);
    this.#aws(`s3 mb s3://${this.#bucket}`);
    this.#aws(`s3 cp --recursive --quiet ${source} s3://${this.#bucket}/set`);
    this.relay = spawn(
      process.execPath,
      [join(import.meta.dirname, 'relay.mjs'), here, relayPort, gateway.hostname, gateway.port],
      {
        stdio: 'inherit',
      },
    );
    const { bin } = startHosts(nodes);
    this.tow = new Tow(bin);
    Object.assign(this.tow.env, keys, { AWS_ENDPOINT_URL: `http://${here}:${relayPort}`, NO_PROXY: here });
    const hosts = Array.from({ length: nodes }, (_, k) => `tow${k}`);
    this.tow.must('pool', 'add', 'lab', ...hosts);
    this.tow.must('launch', '-c', 'bench', '--infra', 'ssh/lab', '--num-nodes', String(nodes), 'true');
  }

  /** Bytes a second from this machine to all hosts together, as tc says it; 0: no limit. */
  shape(rate) {
    sh(`scripts/hosts shape ${rate}`);
  }

  /** From Enter to the end of `tow push` with the mount, to a new destination. */
  copy(fetch) {
    this.#copies += 1;
    const dest = `data-${this.#copies}`;
    const task = join(this.#scratch, 'task.yaml');
    writeFileSync(task, `file_mounts:\n  ~/${dest}: s3://${this.#bucket}/set\nsync: {fetch: ${fetch}}\n`);
    const { wallSeconds, sync } = this.tow.summary('push', 'bench', task, '--file-mounts');
    for (let k = 0; k < nodes; k += 1) {
      if (onHost(k, `cd ${dest} && ${digestOf('.')}`) !== this.#digest) throw new Error(`host ${k} has other bytes`);
      onHost(k, `rm -r ${dest}`);
    }
    return { seconds: wallSeconds, bucketBytes: sync.fetchedBytes, headBytes: sync.headBytes ?? 0 };
  }

  end() {
    this.tow?.run('down', 'bench', '--purge');
    this.tow?.end();
    this.relay?.kill();
    sh('scripts/hosts shape 0; for k in 0 1 2; do scripts/hosts home $k; done');
    this.#aws(`s3 rb --force s3://${this.#bucket}`);
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  #aws(command) {
    sh(`aws --endpoint-url ${gateway.origin} ${command} >/dev/null`, {
      env: { ...process.env, ...keys, NO_PROXY: gateway.hostname },
    });
  }
}

/** A command that prints one digest of all names and bytes. */
function digestOf(directory) {
  return `find ${directory} -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`;
}
