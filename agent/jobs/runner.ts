import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { ScriptDir } from './script-dir.ts';

/**
 * The process a script runs under (`agent.mjs runner DIR`): of a session of its own, so that neither the agent's end nor
 * its upgrade touches the job. Runs bash, waits, records the exit code. SIGTERM is passed on to the script's process
 * group; whoever wants more kills the group.
 */
export async function runRunner(path: string): Promise<void> {
  const directory = new ScriptDir(path);
  if (!directory.claim()) return;
  const { cwd, env } = directory.spec();
  const output = openSync(directory.output, 'a');
  const child = spawn('bash', ['-l', directory.script], {
    cwd,
    env: Object.fromEntries(env),
    stdio: ['ignore', output, output],
    // A process group of its own, whose id is the child's pid.
    detached: true,
  });
  closeSync(output);
  process.on('SIGTERM', () => signalGroup(child.pid, 'SIGTERM'));
  process.on('SIGUSR2', () => signalGroup(child.pid, 'SIGKILL'));
  const code = await new Promise<number>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', (exitCode, signal) =>
      resolve(exitCode ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
  directory.ended(code);
}

function signalGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The whole group is gone.
  }
}
