/** Runs the built `tow` as a user would, in a home of its own. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const tow = join(process.cwd(), 'dist', 'tow.js');

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class TowHome {
  readonly home: string;
  readonly #env: Record<string, string>;
  readonly #as: { readonly uid?: number; readonly gid?: number };

  /** `env` is put on top of a minimal environment; root may run everything as another user, `uid`. */
  constructor(env: Readonly<Record<string, string>> = {}, uid?: number) {
    this.home = realpathSync(mkdtempSync(join(tmpdir(), 'tow-')));
    this.#as = uid === undefined ? {} : { uid, gid: uid };
    if (uid !== undefined) chownSync(this.home, uid, uid);
    this.#env = {
      HOME: this.home,
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      NO_COLOR: '1',
      LANG: 'C.UTF-8',
      ...env,
    };
  }

  run(cwd: string, ...args: readonly string[]): Ran {
    const { status, stdout, stderr } = spawnSync(process.execPath, [tow, ...args], {
      cwd,
      env: this.#env,
      ...this.#as,
      encoding: 'utf8',
      timeout: 120_000,
      maxBuffer: 1 << 28,
    });
    return { code: status ?? -1, stdout, stderr };
  }

  /** Starts a command and hands it over; `done` resolves when it has ended. */
  start(
    cwd: string,
    ...args: readonly string[]
  ): { readonly pid: number; readonly spoke: Promise<void>; readonly done: Promise<Ran> } {
    const child = spawn(process.execPath, [tow, ...args], { cwd, env: this.#env, ...this.#as });
    const out = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      out.stderr += text;
    });
    const done = new Promise<Ran>((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, ...out })));
    // It has said something, or ended.
    const spoke = new Promise<void>((resolve) => {
      child.stderr.once('data', () => resolve());
      child.once('close', () => resolve());
    });
    return { pid: child.pid ?? 0, spoke, done };
  }

  /** The events of a command run with --json. */
  events(cwd: string, ...args: readonly string[]): Record<string, unknown>[] {
    return this.run(cwd, ...args, '--json')
      .stdout.split('\n')
      .filter((line) => line !== '')
      .map((line): Record<string, unknown> => JSON.parse(line));
  }

  nodeHome(cluster: string, node: string): string {
    return join(this.home, '.towline', 'local', cluster, node);
  }

  controllerPid(): number {
    return Number(readFileSync(join(this.home, '.towline', 'controller', 'lock'), 'utf8'));
  }

  /** Process ids of agents below this home. */
  agentPids(): number[] {
    return this.#pids('agent.mjs daemon', `HOME=${this.home}/`);
  }

  /** Process ids of runners, those with a job and those without. */
  runnerPids(): number[] {
    return this.#pids('agent.mjs runner', `HOME=${this.home}/`);
  }

  /** Process ids of controllers of this home, those that wait for another one's end too. */
  controllerPids(): number[] {
    return this.#pids('controller.mjs', `HOME=${this.home}\0`);
  }

  #pids(command: string, home: string): number[] {
    try {
      return execFileSync('pgrep', ['-f', command], { encoding: 'utf8' })
        .split('\n')
        .map(Number)
        .filter((pid) => pid > 0 && environmentOf(pid).includes(home));
    } catch {
      return [];
    }
  }

  /** Ends everything of this home; fails if the controller does not end by itself. */
  async dispose(): Promise<void> {
    const pid = this.controllerPid();
    this.run('/', 'stop');
    for (const agent of this.agentPids()) process.kill(agent, 'SIGKILL');
    const log = join(this.home, '.towline', 'controller', 'log');
    const stuck = !(await ended(pid));
    const tail = stuck ? readFileSync(log, 'utf8').slice(-2000) : '';
    if (stuck) process.kill(pid, 'SIGKILL');
    rmSync(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    if (stuck) throw new Error(`the controller did not end:\n${tail}`);
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

/** Whether a process is gone within ten seconds. */
async function ended(pid: number): Promise<boolean> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    if (environmentOf(pid) === '') return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
