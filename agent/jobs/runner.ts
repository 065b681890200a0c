import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { systemClock } from '../../protocol/base/clock.ts';
import { errnoOf } from '../../protocol/base/errors.ts';
import { sessionMembers, signalSession } from '../process-identity.ts';
import { baseEnv } from './base-env.ts';
import { findBash, rcText, readLoginShell } from './login-shell.ts';
import { ScriptDir } from './script-dir.ts';
import type { ShellAhead } from './spare-runner.ts';

/** Exit codes of a script that never ran, as shells have them: cannot be run; stopped by SIGTERM. */
const cannotRun = 126;
const stopped = 128 + constants.signals.SIGTERM;

/** How often it is looked whether a stopped script's processes are gone, in ms. */
const lookMs = 50;
/** Killed processes that are still there after so many looks cannot be killed: another user's, or stuck in the kernel. */
const looksAfterKill = 100;
/** How long a full disk is waited for, to record the exit code, in s. */
const recordAttempts = 600;

/**
 * The process a script runs under (`agent.mjs runner DIR`): of a session of its own, so that neither the agent's end nor
 * its upgrade touches the job. Runs bash, waits, records the exit code. SIGTERM stops the script: every process of its
 * session gets one, and the runner ends when all are gone; SIGUSR2 kills them. What a script that ends by itself leaves
 * in the background is left alone. Resolves when the code is recorded, at once if there was a runner before.
 */
export async function runRunner(path: string, ahead?: ShellAhead): Promise<void> {
  const directory = new ScriptDir(path);
  // Before the claim, which is what tells others whom to signal.
  const stop = new Stop();
  stop.asked.addEventListener('abort', () => ahead?.end());
  if (!directory.claim()) {
    ahead?.end();
    return;
  }
  const output = openSync(directory.output, 'a');
  let code = cannotRun;
  try {
    code = await runScript(directory, output, stop, ahead);
  } catch (error) {
    note(output, `the script could not be run: ${error instanceof Error ? error.message : String(error)}`);
  }
  closeSync(output);
  directory.forgetEnvironment();
  await record(directory, code);
}

/** What was asked for by signals. */
class Stop {
  readonly #asked = new AbortController();
  #session = 0;
  #killed = false;

  constructor() {
    process.on('SIGTERM', () => {
      this.#asked.abort();
      if (this.#session > 0) signalSession(this.#session, 'SIGTERM');
    });
    process.on('SIGUSR2', () => {
      this.#killed = true;
      this.#asked.abort();
      if (this.#session > 0) signalSession(this.#session, 'SIGKILL');
    });
  }

  get asked(): AbortSignal {
    return this.#asked.signal;
  }

  /** What is asked for is asked of this session from now on. */
  applyTo(session: number): void {
    this.#session = session;
  }

  /** Resolves when the session of a stopped script is empty. */
  async gone(): Promise<void> {
    for (let looks = 0; looks < looksAfterKill && sessionMembers(this.#session).length > 0; ) {
      if (this.#killed) {
        looks += 1;
        // Again: what was just forked may have been missed.
        signalSession(this.#session, 'SIGKILL');
      }
      await systemClock.sleep(lookMs, new AbortController().signal);
    }
  }
}

async function runScript(
  directory: ScriptDir,
  output: number,
  stop: Stop,
  ahead: ShellAhead | undefined,
): Promise<number> {
  const { home, cwd, env } = directory.takeSpec();
  const base = baseEnv(home);
  const bash = findBash(process.env['PATH'] ?? '');
  const login = await (ahead?.shell ?? readLoginShell(bash, base, stop.asked));
  if (stop.asked.aborted) return stopped;
  if (login === undefined) note(output, "the account's shell files end the shell or take too long: done without them");
  const merged: Record<string, string> = { ...base, ...login?.env, ...Object.fromEntries(env) };
  if (login !== undefined) {
    writeFileSync(directory.rc, rcText(login.setup, merged['BASH_ENV']), { mode: 0o600 });
    merged['BASH_ENV'] = directory.rc;
  }
  const child = spawn(bash, [directory.script], {
    cwd,
    env: merged,
    stdio: ['ignore', output, output],
    // A session of its own, whose id is the child's pid.
    detached: true,
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
  if (child.pid !== undefined) {
    stop.applyTo(child.pid);
    remember(directory, child.pid);
  }
  const code = await ended;
  if (stop.asked.aborted) await stop.gone();
  return code;
}

/** For whoever finds the script without its runner. */
function remember(directory: ScriptDir, pid: number): void {
  try {
    directory.began(pid);
  } catch {
    // No room on the disk: not worth a running script.
  }
}

async function record(directory: ScriptDir, code: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      directory.ended(code);
      return;
    } catch (error) {
      const errno = errnoOf(error);
      if ((errno !== 'ENOSPC' && errno !== 'EDQUOT') || attempt === recordAttempts) throw error;
      await systemClock.sleep(1000, new AbortController().signal);
    }
  }
}

/** Said in the script's own output, the one place where its user looks. */
function note(output: number, text: string): void {
  try {
    writeSync(output, `towline: ${text}\n`);
  } catch {
    // No room on the disk.
  }
}
