/**
 * What the account's own shell files set up (PATH, conda, nvm, modules, limits), for scripts that rely on it.
 *
 * A script is run by a plain bash: an interactive one would ignore SIGTERM, expand `!` and complain of its missing
 * terminal. But most ~/.bashrc files do nothing unless the shell is interactive. So the shell files are read by a shell
 * of their own, a login shell that becomes an interactive one; what it has then, environment, functions, umask and open
 * file limit, is handed to the script's. Files that end the shell, or never end, are done without. They are read
 * before the task's variables are set: those win, and no secret is in them.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface LoginShell {
  readonly env: Readonly<Record<string, string>>;
  /** Bash code that defines the shell's functions and restores its limits. */
  readonly setup: string;
}

/** Shell files get this long, in ms. */
const patienceMs = 15_000;
/** What they leave may have this many bytes; bash-completion's functions are 200 KB. */
const maxBytes = 8 << 20;

const separator = '\0towline\0';
const end = '\0towline-end\0';

/** The shell files' output is not the job's: it goes nowhere, and what is asked for comes through fd 3. */
const dump = [
  'command -p env -0 >&3',
  String.raw`printf 'towline\0' >&3`,
  'umask >&3',
  'ulimit -Sn >&3',
  'shopt -p extglob >&3',
  'declare -f >&3',
  String.raw`printf '\0towline-end\0' >&3`,
].join('; ');

/** Names that belong to the shell that was asked. */
const ownNames = new Set(['_', 'SHLVL', 'PWD', 'OLDPWD', 'BASH_ENV', 'ENV']);

/** Reads the shell files of `env`'s HOME. Resolves with undefined when they end the shell, take too long, or `signal` aborts. */
export async function readLoginShell(
  bash: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<LoginShell | undefined> {
  const child = spawn(bash, ['-l', '-c', `exec "$0" -i -c "$1"`, bash, dump], {
    cwd: env['HOME'],
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const pipe = child.stdio[3];
  if (pipe === null || pipe === undefined) return undefined;
  let said = '';
  const whole = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), patienceMs);
    const settle = (good: boolean): void => {
      clearTimeout(timer);
      resolve(good);
    };
    signal.addEventListener('abort', () => settle(false), { once: true });
    if (signal.aborted) settle(false);
    child.once('error', () => settle(false));
    pipe.on('error', () => settle(false)).on('close', () => settle(false));
    // What the shell files left in the background may hold the pipe open: its end is not waited for.
    pipe.on('data', (piece: Buffer) => {
      said += piece.toString('latin1');
      if (said.length > maxBytes) settle(false);
      else if (said.endsWith(end)) settle(true);
    });
  });
  if (!whole) killGroup(child.pid);
  pipe.destroy();
  child.unref();
  return whole ? parse(Buffer.from(said.slice(0, -end.length), 'latin1').toString()) : undefined;
}

function parse(text: string): LoginShell {
  const [variables = '', shell = ''] = text.split(separator);
  const env: Record<string, string> = {};
  for (const pair of variables.split('\0')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at);
    if (at > 0 && !ownNames.has(name)) env[name] = pair.slice(at + 1);
  }
  const [umask = '022', openFiles = '', extglob = '', ...functions] = shell.split('\n');
  // Functions that were written for this option, as completions are, can be read without it no more than they can run.
  return {
    env,
    setup: [`umask ${umask}`, `ulimit -Sn ${openFiles}`, 'shopt -s extglob', ...functions, extglob].join('\n'),
  };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** The first bash on the path, absolute: a script's own PATH must not decide it. */
export function findBash(path: string): string {
  const directories = [...path.split(delimiter), '/bin', '/usr/bin'].filter((directory) => directory.startsWith('/'));
  return directories.map((directory) => join(directory, 'bash')).find((file) => existsSync(file)) ?? '/bin/bash';
}

/** What bash reads (by BASH_ENV) before the script; `bashEnv` is what it would have read otherwise. Its mistakes are silent. */
export function rcText(setup: string, bashEnv: string | undefined): string {
  const restored = bashEnv === undefined ? 'unset BASH_ENV' : `export BASH_ENV=${quote(bashEnv)}`;
  return [
    restored,
    `eval ${quote(setup)} 2>/dev/null`,
    ...(bashEnv === undefined ? [] : ['[ -r "$BASH_ENV" ] && . "$BASH_ENV"']),
    '',
  ].join('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
