// Files in memory, a bucket for each who uploads them, and a cluster of one local node that has ours mounted.
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sh } from '../../proofs/hosts.mjs';
import { BucketLab, endpoint } from '../buckets/lab.mjs';
import { edited, files, width } from './rows.mjs';

export class UploadLab extends BucketLab {
  /** By who uploads there. */
  #buckets = new Map();
  #source;

  constructor() {
    super('upload');
  }

  fill() {
    this.#source = this.fillSource(files);
    this.launch();
  }

  /** Everybody's bucket has all files as they are now. */
  uploadAll(names) {
    for (const who of names) {
      const filled = this.#buckets.has(who);
      if (who === 'ours') this.ours({ fresh: !filled });
      else if (who === 'aws') this.awsSync({ fresh: !filled });
      else this.rclone({ fresh: !filled }, who, width);
    }
  }

  /** Other bytes in a few files, one in each directory. */
  edit() {
    for (let k = 0; k < edited; k += 1) writeFileSync(join(this.#source, `d${k}/o${k}`), randomBytes(files.bytes));
  }

  /** What a user waits for: from Enter to the line that says that all is uploaded; `total`, until the node has it too. */
  ours(row) {
    const bucket = this.#bucket('ours', row);
    const task = join(this.top, 'task.yaml');
    const storage = `{name: ${bucket}, source: ${this.#source}, store: {s3: '${endpoint}'}, mode: COPY}`;
    writeFileSync(task, `file_mounts:\n  ~/${bucket}: ${storage}\n`);
    const push = [resolve('dist/tow.js'), 'push', 'bench', task, '--file-mounts'];
    return JSON.parse(this.program('scripts/benches/upload/until-uploaded.mjs', ...push));
  }

  rclone(row, who, flags) {
    const bucket = this.#bucket(who, row);
    if (row.fresh) this.run(`rclone mkdir gw:${bucket}`);
    return this.timed(() => this.run(`rclone sync ${flags} ${this.#source} gw:${bucket}`));
  }

  awsSync(row) {
    const bucket = this.#bucket('aws', row);
    if (row.fresh) this.aws(`mb s3://${bucket}`);
    return this.timed(() => this.aws(`sync --quiet ${this.#source} s3://${bucket}`));
  }

  /** Our bucket has the files, by the MD5 of each, and nothing else. */
  check() {
    this.run(`rclone check --quiet --checkers 32 ${this.#source} gw:${this.#buckets.get('ours')}`);
  }

  versions() {
    const first = (text) => text.split(/[\n ]/, 2);
    return {
      rclone: first(this.run('rclone version'))[1],
      aws: first(this.run('aws --version'))[0].replace('aws-cli/', ''),
    };
  }

  end() {
    for (const [who, bucket] of this.#buckets) this.#delete(who, bucket);
    super.end();
  }

  /** The one that `who` fills; a fresh one replaces it. */
  #bucket(who, { fresh }) {
    if (!fresh) return this.#buckets.get(who);
    const last = this.#buckets.get(who);
    if (last !== undefined) this.#delete(who, last);
    const bucket = BucketLab.bucketName();
    this.#buckets.set(who, bucket);
    return bucket;
  }

  #delete(who, bucket) {
    if (who === 'ours') {
      this.tow('storage', 'delete', bucket);
      rmSync(join(this.node, bucket), { recursive: true, force: true });
    } else this.run(`rclone purge --checkers 64 gw:${bucket}`);
    // The server gives the room back in its own time, which is nobody's sample.
    sh('sleep 5');
  }
}
