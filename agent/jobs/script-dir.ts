/**
 * What is on disk of one script of a job, `jobs/JOB/KIND/`:
 *
 *   script     what bash runs               spec.json  environment (0600), deleted when the script has ended
 *   output     stdout and stderr as written  claim     the runner's pid and start time: at most one runner ever
 *   exit.json  the exit code, once known
 *
 * The directory appears by one rename, whole. Crash points: before the rename nothing was started; after it, without a
 * claim, a start that is repeated spawns a runner (again), and of two runners one gets the claim; with a claim and no
 * exit code, a dead runner means that the script is lost.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { errnoOf } from '../../protocol/base/errors.ts';
import type { ScriptState } from '../../protocol/wire/job.ts';

const specSchema = v.object({ cwd: v.string(), env: v.array(v.tuple([v.string(), v.string()])) });
export type ScriptSpec = v.InferOutput<typeof specSchema>;

const claimSchema = v.object({ pid: v.number(), startTime: v.string(), boot: v.string() });
const exitSchema = v.object({ code: v.number() });

export type ScriptKind = 'setup' | 'run';

/** One script's directory. All methods block for a few file operations. */
export class ScriptDir {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get exists(): boolean {
    return existsSync(this.path);
  }

  get output(): string {
    return join(this.path, 'output');
  }

  get script(): string {
    return join(this.path, 'script');
  }

  /** Makes the directory whole in one step; false if it is there already. */
  create(script: string, spec: ScriptSpec): boolean {
    if (this.exists) return false;
    const temp = `${this.path}.${process.pid}.new`;
    rmSync(temp, { recursive: true, force: true });
    mkdirSync(temp, { recursive: true, mode: 0o700 });
    writeFileSync(join(temp, 'script'), script, { mode: 0o600 });
    writeFileSync(join(temp, 'spec.json'), JSON.stringify(spec), { mode: 0o600 });
    writeFileSync(join(temp, 'output'), '', { mode: 0o600 });
    try {
      renameSync(temp, this.path);
      return true;
    } catch (error) {
      rmSync(temp, { recursive: true, force: true });
      if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  spec(): ScriptSpec {
    return v.parse(specSchema, JSON.parse(readFileSync(join(this.path, 'spec.json'), 'utf8')));
  }

  /** Makes the calling process the script's only runner; false if there was one before. */
  claim(): boolean {
    const claim = JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid), boot: bootId() });
    try {
      writeDurable(join(this.path, 'claim'), claim, 'wx');
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  /** Records the exit code, then forgets the environment. */
  ended(code: number): void {
    const path = join(this.path, 'exit.json');
    writeDurable(`${path}.new`, JSON.stringify({ code }), 'w');
    renameSync(`${path}.new`, path);
    rmSync(join(this.path, 'spec.json'), { force: true });
  }

  state(): ScriptState {
    const claim = readJson(join(this.path, 'claim'), claimSchema);
    const exit = readJson(join(this.path, 'exit.json'), exitSchema);
    const pid = claim?.pid ?? 0;
    if (exit !== undefined) return { state: 'exited', pid, code: exit.code };
    if (claim === undefined) return { state: this.#startedLongAgo() ? 'lost' : 'running', pid };
    const alive = claim.boot === bootId() && startTimeOf(claim.pid) === claim.startTime;
    if (alive) return { state: 'running', pid };
    // The runner may have ended properly between the two looks.
    const after = readJson(join(this.path, 'exit.json'), exitSchema);
    return after === undefined ? { state: 'lost', pid } : { state: 'exited', pid, code: after.code };
  }

  /** Of a script that is lost: its environment must not stay on the disk. */
  forgetEnvironment(): void {
    rmSync(join(this.path, 'spec.json'), { force: true });
  }

  startedAt(): number {
    return Math.round(statSync(this.script).mtimeMs);
  }

  /** A runner claims within moments; one that has not after a minute never ran. */
  #startedLongAgo(): boolean {
    return Date.now() - this.startedAt() > 60_000;
  }
}

/** Every script below the jobs directory, oldest first. */
export function allScripts(jobs: string): { job: string; kind: ScriptKind; directory: ScriptDir }[] {
  const found: { job: string; kind: ScriptKind; directory: ScriptDir }[] = [];
  for (const job of existsSync(jobs) ? readdirSync(jobs) : []) {
    for (const kind of ['setup', 'run'] as const) {
      const directory = new ScriptDir(join(jobs, job, kind));
      if (directory.exists) found.push({ job, kind, directory });
    }
  }
  return found.sort((a, b) => a.directory.startedAt() - b.directory.startedAt());
}

function writeDurable(path: string, text: string, flags: 'w' | 'wx'): void {
  const fd = openSync(path, flags, 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function readJson<S extends v.GenericSchema>(path: string, schema: S): v.InferOutput<S> | undefined {
  try {
    return v.parse(schema, JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // Not there, or cut short by a crash: as good as not there.
    return undefined;
  }
}

/** A process's start in clock ticks since boot: with the pid it names one process. '' if there is none. */
function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}
