// One ssh host with an empty home in memory, a fast and a slow way to it, a tow and an rsync that both go that way.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linuxTree, onHost, sh, Tow } from '../../proofs/hosts.mjs';
import { controllersOf } from './memory.mjs';

const state = process.env.TOWLINE_HOSTS ?? '/run/towline-hosts';
export const linuxAt = '/dev/shm/towline-linux';
const wireCounters = ['tx', 'rx'].map((way) => `/sys/class/net/towv0/statistics/${way}_bytes`);

export class Lab {
  #scratch = mkdtempSync('/tmp/tow-bench-');
  #ssh = join(this.#scratch, 'bin/ssh');
  #linux = false;

  constructor() {
    sh('scripts/hosts up 1');
    mkdirSync(join(this.#scratch, 'bin'));
    writeFileSync(this.#ssh, `#!/bin/sh\nexec /usr/bin/ssh -F ${this.#scratch}/config "$@"\n`);
    chmodSync(this.#ssh, 0o755);
  }

  /** `lan`: as fast as it goes. `far`: 100 Mbit/s towards the host and 40 ms round trip. Only the name of that way is known to ssh. */
  go(way) {
    this.#leave();
    this.far = way === 'far';
    this.host = this.far ? 'tow0-far' : 'tow0';
    sh(`scripts/hosts shape ${this.far ? '100mbit' : 0}; scripts/hosts delay ${this.far ? 20 : 0}`);
    const entries = readFileSync(`${state}/ssh_config`, 'utf8').split(/^(?=Host )/m);
    writeFileSync(
      `${this.#scratch}/config`,
      entries.filter((entry) => entry.startsWith(`Host ${this.host}\n`)).join(''),
    );
    sh('scripts/hosts home 0 14g 6000000');
    sh(`${this.#ssh} -o StrictHostKeyChecking=accept-new ${this.host} true 2>/dev/null`);
    return this;
  }

  /** An empty home, a controller that has seen nothing, an agent that runs and has seen nothing. */
  fresh() {
    this.#leave();
    sh('scripts/hosts home 0 14g 6000000');
    this.tow = new Tow(join(this.#scratch, 'bin'));
    this.tow.must('pool', 'add', 'lab', this.host);
    this.tow.must('launch', '-c', 'bench', '--infra', 'ssh/lab', 'true');
  }

  /** Changes the source. Until it is its turn our daemon is stopped: it would read what changed while rsync runs. */
  change(make) {
    make();
    this.#signalDaemon('SIGSTOP');
  }

  /** Time that a user takes until Enter. */
  pause() {
    this.#signalDaemon('SIGCONT');
    sh('sleep 3');
  }

  /** From Enter on `tow exec` to the command's first instruction on the node, by the one clock of this machine. */
  ours(source) {
    return this.#onTheWire(() => {
      this.#signalDaemon('SIGCONT');
      const before = Date.now() / 1000;
      const { stdout } = this.tow.must('exec', 'bench', '--workdir', source, 'date +%s.%N', '--json');
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const began = Number(events.find(({ type }) => type === 'output')?.text);
      if (!(began > before)) throw new Error(`no time in the command's output:\n${stdout}`);
      this.#checkWay();
      return { seconds: began - before, reported: events.at(-1).sync?.sentBytes ?? 0 };
    });
  }

  /** The wall time of rsync to another directory of the same home. */
  rsync(source, flags = '', ssh = this.#ssh) {
    return this.#onTheWire(() => {
      const started = performance.now();
      const out = sh(`rsync ${this.far ? '-az' : '-a'} ${flags} --stats -e '${ssh}' ${source}/ ${this.host}:rsynced/`);
      const seconds = (performance.now() - started) / 1000;
      return { seconds, reported: Number(/Total bytes sent: ([\d,]+)/.exec(out)[1].replaceAll(',', '')) };
    });
  }

  /** rsync through a connection that is up already. */
  rsyncMastered(source, flags) {
    const mastered = `${this.#ssh} -o ControlPath=${this.#scratch}/master`;
    sh(
      `${mastered} -O check ${this.host} 2>/dev/null || ${mastered} -o ControlMaster=yes -fN ${this.host} >/dev/null 2>&1`,
    );
    return this.rsync(source, flags, mastered);
  }

  tar(source) {
    return this.#onTheWire(() => {
      const started = performance.now();
      sh(`tar -C ${source} -c . | ${this.#ssh} ${this.host} 'mkdir tarred && tar -x -C tarred'`);
      return { seconds: (performance.now() - started) / 1000 };
    });
  }

  on(command) {
    return onHost(0, command);
  }

  /** Both did the same work: their copies are equal, the content of every file. */
  checkSame() {
    const differs = this.on('diff -rq --no-dereference sky_workdir rsynced 2>&1 | head -5');
    if (differs !== '') throw new Error(`ours and rsync's copy differ:\n${differs}`);
  }

  /** The Linux source as it was unpacked, in memory; made once. */
  linux() {
    if (!this.#linux) linuxTree(linuxAt);
    this.#linux = true;
    sh(`git -C ${linuxAt} checkout -q -f .`);
    return linuxAt;
  }

  forgetLinux() {
    this.#linux = false;
    rmSync(linuxAt, { recursive: true, force: true });
  }

  end() {
    this.#leave();
    this.forgetLinux();
    sh('scripts/hosts shape 0; scripts/hosts delay 0; scripts/hosts home 0');
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  #signalDaemon(signal) {
    for (const pid of controllersOf(this.tow.home)) process.kill(Number(pid), signal);
  }

  #leave() {
    if (this.tow) {
      this.#signalDaemon('SIGCONT');
      this.tow.run('down', 'bench', '--purge');
      this.tow.end();
      this.tow = undefined;
    }
    if (this.host) sh(`${this.#ssh} -o ControlPath=${this.#scratch}/master -O exit ${this.host} 2>/dev/null || true`);
  }

  // Both directions, ssh and TCP/IP with it, as the host's network interface counts it. Nothing else goes through that.
  #onTheWire(work) {
    const read = () => wireCounters.reduce((sum, file) => sum + Number(readFileSync(file, 'utf8')), 0);
    const before = read();
    const result = work();
    return { ...result, wire: read() - before };
  }

  #checkWay() {
    if (!this.far) return;
    const relay = readFileSync(`${state}/delay.pid`, 'utf8').trim();
    const connections = sh('ss -Htnp state established dst 10.78.0.10').split('\n').filter(Boolean);
    if (connections.length === 0 || !connections.every((line) => line.includes(`pid=${relay},`)))
      throw new Error(`not all connections to the host go the slow way:\n${connections.join('\n')}`);
  }
}
