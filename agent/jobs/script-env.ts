import { mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

/** Where setup and run are at home. */
export function workdirOf(home: string): string {
  const path = join(home, 'sky_workdir');
  mkdirSync(path, { recursive: true });
  return path;
}

/** What a login would give, and nothing of the agent's own environment; the task's variables on top. */
export function scriptEnv(home: string, env: readonly (readonly [string, string])[]): [string, string][] {
  const { username, shell } = userInfo();
  const base: Record<string, string> = {
    HOME: home,
    USER: username,
    LOGNAME: username,
    SHELL: shell ?? '/bin/bash',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: process.env['LANG'] ?? 'C.UTF-8',
    TERM: 'dumb',
    // Output goes to a file: without this Python would hold it back until it has 8 KiB.
    PYTHONUNBUFFERED: '1',
  };
  return Object.entries({ ...base, ...Object.fromEntries(env) });
}
