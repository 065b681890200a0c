/**
 * What is on disk of one script of a job, `jobs/JOB/KIND/`:
 *
 *   script     what bash runs                spec.json   environment (0600), until the runner has it
 *   output     stdout and stderr as written  claim       the runner's process: at most one runner ever
 *   session    bash's process, while it runs exit.json   the exit code, once known
 *   rc         what bash reads first, while it runs (login-shell.ts)
 *
 * The directory appears by one rename, whole. Crash points: before the rename nothing was started; after it, without a
 * claim, a start that is repeated spawns a runner (again), and of two runners one gets the claim; with a claim and no
 * exit code, a dead runner means that the script is lost. Who finds it lost ends what is left of it.
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
import { join } from 'node:path';
import * as v from 'valibot';
import { errnoOf } from '../../protocol/base/errors.ts';
import type { ScriptState } from '../../protocol/wire/job.ts';
import { identify, isAlive, nobody, type ProcessIdentity, processSchema, signalSession } from '../process-identity.ts';

const specSchema = v.object({ home: v.string(), cwd: v.string(), env: v.array(v.tuple([v.string(), v.string()])) });
/** What the runner needs besides the script. `env` is the task's; secrets are among it. */
export type ScriptSpec = v.InferOutput<typeof specSchema>;

const exitSchema = v.object({ code: v.number() });

/** More than an exit code takes on disk. */
const exitBytes = 64;

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

  /** Whether it has no runner yet, and none was ruled out. */
  get isUnclaimed(): boolean {
    return this.exists && !existsSync(join(this.path, 'claim'));
  }

  get output(): string {
    return join(this.path, 'output');
  }

  get script(): string {
    return join(this.path, 'script');
  }

  get rc(): string {
    return join(this.path, 'rc');
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
    // Takes the exit code's place on the disk: a job that fills it must be able to say how it ended.
    writeFileSync(join(temp, 'exit.json.new'), ' '.repeat(exitBytes), { mode: 0o600 });
    try {
      renameSync(temp, this.path);
      return true;
    } catch (error) {
      rmSync(temp, { recursive: true, force: true });
      if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  /** What the runner is to run with; it is on the disk no more. */
  takeSpec(): ScriptSpec {
    const spec = v.parse(specSchema, JSON.parse(readFileSync(join(this.path, 'spec.json'), 'utf8')));
    rmSync(join(this.path, 'spec.json'));
    return spec;
  }

  /** Makes the calling process the script's only runner; false if there was one before. */
  claim(): boolean {
    return this.#claimFor(identify(process.pid));
  }

  /** Takes the claim for nobody: the script, if it has no runner yet, will never run and is lost. */
  abandon(): void {
    this.#claimFor(nobody);
  }

  /** The script's processes are the session of `pid`. */
  began(pid: number): void {
    writeFileSync(join(this.path, 'session'), JSON.stringify(identify(pid)), { mode: 0o600 });
  }

  /** Records the exit code. */
  ended(code: number): void {
    const path = join(this.path, 'exit.json');
    // Over what is there: that needs no room on the disk.
    writeSynced(`${path}.new`, JSON.stringify({ code }).padEnd(exitBytes), 'r+');
    renameSync(`${path}.new`, path);
    syncDirectory(this.path);
    rmSync(join(this.path, 'session'), { force: true });
  }

  state(): ScriptState {
    const exit = this.#exit();
    const claim = this.#claim();
    if (exit !== undefined) return { state: 'exited', pid: claim?.pid ?? 0, code: exit.code };
    if (claim !== undefined) return this.#stateUnder(claim);
    if (!this.#startedLongAgo()) return { state: 'running', pid: 0 };
    // Said only once no runner can come any more.
    this.abandon();
    return this.#stateUnder(this.#claim() ?? nobody);
  }

  /** Of a script that is lost: its environment must not stay on the disk, nor its processes on the node. */
  clear(): void {
    this.forgetEnvironment();
    const file = join(this.path, 'session');
    const session = readJson(file, processSchema);
    if (session === undefined) return;
    // Without its leader, a session of this boot with this number is still the script's: numbers in use are not given out.
    const leader = identify(session.pid);
    if (session.boot === leader.boot && (leader.startTime === '' || leader.startTime === session.startTime))
      signalSession(session.pid, 'SIGKILL');
    rmSync(file, { force: true });
  }

  forgetEnvironment(): void {
    rmSync(join(this.path, 'spec.json'), { force: true });
    rmSync(this.rc, { force: true });
  }

  startedAt(): number {
    return Math.round(statSync(this.script).mtimeMs);
  }

  #stateUnder(claim: ProcessIdentity): ScriptState {
    const { pid } = claim;
    if (isAlive(claim)) return { state: 'running', pid };
    // The runner may have ended properly between the two looks.
    const exit = this.#exit();
    return exit === undefined ? { state: 'lost', pid } : { state: 'exited', pid, code: exit.code };
  }

  #claim(): ProcessIdentity | undefined {
    return readJson(join(this.path, 'claim'), processSchema);
  }

  #exit(): v.InferOutput<typeof exitSchema> | undefined {
    return readJson(join(this.path, 'exit.json'), exitSchema);
  }

  #claimFor(claimant: ProcessIdentity): boolean {
    try {
      writeSynced(join(this.path, 'claim'), JSON.stringify(claimant), 'wx');
      syncDirectory(this.path);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  /** A runner claims within moments; one that has not after a minute never ran. */
  #startedLongAgo(): boolean {
    return Date.now() - this.startedAt() > 60_000;
  }
}

export interface FoundScript {
  readonly job: string;
  readonly kind: ScriptKind;
  readonly directory: ScriptDir;
}

/** Every script below the jobs directory, oldest first. */
export function allScripts(jobs: string): FoundScript[] {
  const found: (FoundScript & { readonly startedAt: number })[] = [];
  for (const job of existsSync(jobs) ? readdirSync(jobs) : []) {
    for (const kind of ['setup', 'run'] as const) {
      const directory = new ScriptDir(join(jobs, job, kind));
      if (directory.exists) found.push({ job, kind, directory, startedAt: directory.startedAt() });
    }
  }
  return found.sort((a, b) => a.startedAt - b.startedAt);
}

function writeSynced(path: string, text: string, flags: 'wx' | 'r+'): void {
  const fd = openSync(path, flags, 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
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
