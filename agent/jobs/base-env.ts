import { userInfo } from 'node:os';

/** What a login would begin with, and nothing of the agent's own environment. */
export function baseEnv(home: string): Readonly<Record<string, string>> {
  const { username, shell } = userInfo();
  return {
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
}
