import { createInterface } from 'node:readline';
import { baseEnv } from './base-env.ts';
import { findBash, type LoginShell, readLoginShell } from './login-shell.ts';
import { runRunner } from './runner.ts';

/** What the agent writes to a runner that is ready, a line each: read the shell files of a home; run a script's directory, with what was read or afresh. */
type RunnerOrder = readonly ['shell-files' | 'run' | 'run-afresh', string];

export function runnerOrder(...order: RunnerOrder): string {
  return `${JSON.stringify(order)}\n`;
}

/** Shell files that are being read before the script is there. */
export interface ShellAhead {
  readonly shell: Promise<LoginShell | undefined>;
  /** Gives up the reading. */
  end(): void;
}

/** `agent.mjs runner`: a runner that is told on stdin what to run. Ends when stdin does before that: its agent is gone. */
export async function runSpareRunner(): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  let ahead: ShellAhead | undefined;
  const path = await new Promise<string | undefined>((resolve) => {
    lines.on('line', (line) => {
      // From the agent that started this process, of this very bundle.
      const [what, path]: RunnerOrder = JSON.parse(line);
      if (what === 'run') return resolve(path);
      ahead?.end();
      ahead = what === 'shell-files' ? readAhead(path) : undefined;
      if (what === 'run-afresh') resolve(path);
    });
    lines.on('close', () => resolve(undefined));
  });
  lines.close();
  process.stdin.destroy();
  if (path === undefined) ahead?.end();
  else await runRunner(path, ahead);
}

function readAhead(home: string): ShellAhead {
  const stop = new AbortController();
  const shell = readLoginShell(findBash(process.env['PATH'] ?? ''), baseEnv(home), stop.signal);
  return { shell, end: () => stop.abort() };
}
