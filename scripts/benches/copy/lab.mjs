// A bucket, a cluster of one local node whose home is in memory, and directories in memory for the others.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sh } from '../../proofs/hosts.mjs';
import { BucketLab, endpoint } from '../buckets/lab.mjs';

export class CopyLab extends BucketLab {
  #bucket = BucketLab.bucketName();
  #runs = 0;
  #peak = 0;

  constructor() {
    super('copy');
  }

  /** Uploads the objects; for a no-op, has everybody copy them. */
  fill(row) {
    this.aws(`mb s3://${this.#bucket}`);
    if (row.objects === 1) {
      sh(`head -c ${row.bytes} /dev/urandom >${this.top}/object`);
      this.aws(`cp ${this.top}/object s3://${this.#bucket}/set/object --quiet`);
      rmSync(`${this.top}/object`);
    } else {
      const source = this.fillSource(row);
      this.run(`rclone copy --transfers 32 --checkers 32 ${source} gw:${this.#bucket}/set`);
      rmSync(source, { recursive: true });
    }
    this.launch();
    if (!row.noOp) return;
    this.ours(row);
    this.engine(row);
    // With the object's own times, as both leave them: what is newer than its object aws fetches again.
    const copied = `${this.node}/${this.#destination(row)}`;
    this.run(`cp -a ${copied} ${this.top}/rclone && cp -a ${copied} ${this.top}/aws`);
  }

  /** What a user waits for: from Enter to the end of `tow push` with the mounts, on a cluster that runs. */
  ours(row) {
    const dest = this.#destination(row);
    const task = join(this.top, 'task.yaml');
    writeFileSync(task, `file_mounts:\n  ~/${dest}: s3://${this.#bucket}/set\n`);
    const sample = this.timed(() => this.tow('push', 'bench', task, '--file-mounts'));
    this.#peak = Math.max(this.#peak, this.#agentPeak());
    this.#done(row, `${this.node}/${dest}`);
    return sample;
  }

  /** The agent's thread alone, in a process of its own that starts for it. */
  engine(row) {
    const home = join(this.top, 'engine');
    const sample = this.timed(() =>
      this.run(`${process.execPath} scripts/benches/copy/engine.mjs ${endpoint} ${this.#bucket} ${home}`),
    );
    this.#done(row, home);
    return sample;
  }

  rclone(row, flags) {
    const at = join(this.top, 'rclone');
    const sample = this.timed(() => this.run(`rclone copy ${flags} gw:${this.#bucket}/set ${at}`));
    this.#done(row, at);
    return sample;
  }

  awsSync(row) {
    const at = join(this.top, 'aws');
    const sample = this.timed(() => this.aws(`sync --quiet s3://${this.#bucket}/set ${at}`));
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
      this.run(`rclone copy --transfers 32 gw:${this.#bucket}/set ${this.top}/rclone`);
      const dest = this.#destination({ noOp: true });
      writeFileSync(join(this.top, 'task.yaml'), `file_mounts:\n  ~/${dest}: s3://${this.#bucket}/set\n`);
      this.tow('push', 'bench', join(this.top, 'task.yaml'), '--file-mounts');
    }
    const differs = sh(`diff -rq ${this.node}/${this.#destination({ noOp: true })} ${this.top}/rclone 2>&1 | head -5`);
    if (differs !== '') throw new Error(`ours and rclone's copy differ:\n${differs}`);
  }

  end() {
    super.end();
    this.run(`rclone purge gw:${this.#bucket}`);
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

  #agentPeak() {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('agent.mjs\0daemon')) continue;
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(this.home)) continue;
        return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
      } catch {
        // It ended meanwhile.
      }
    }
    throw new Error('no agent runs');
  }
}
