import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { daemonFlags } from '../../protocol/base/daemon-flags.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { apiSocket, controllerDirectory, tryConnect } from './connect-daemon.ts';

const startTimeoutMs = 15_000;
const retryMs = 5;
const maxLogBytes = 4 << 20;

/** Starts a daemon and waits until it, or another first command's, answers. Rejects with `controller-failed` and the end of its log. */
export async function startAndConnect(home: string, willSync: boolean): Promise<Socket> {
  const path = apiSocket(home);
  const child = startDaemon(home, willSync);
  for (const deadline = Date.now() + startTimeoutMs; Date.now() < deadline; ) {
    const started = await tryConnect(path);
    if (started !== undefined) return started;
    if (child.gone()) {
      // Another first command's daemon may have won; else this one failed for good.
      const other = await tryConnect(path);
      if (other !== undefined) return other;
      throw failed(home, 'the controller ended as soon as it was started');
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
  throw failed(home, `the controller did not answer within ${startTimeoutMs / 1000} s`);
}

/** Starts the daemon in a session of its own with an environment of nothing but what finds programs. */
function startDaemon(home: string, willSync: boolean): { gone(): boolean } {
  const directory = controllerDirectory(home);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const log = join(directory, 'log');
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes) renameSync(log, `${log}.1`);
  const output = openSync(log, 'a', 0o600);
  const script = join(dirname(fileURLToPath(import.meta.url)), 'controller.mjs');
  const env = { HOME: home, PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: process.env['LANG'] ?? 'C.UTF-8' };
  const child = spawn(process.execPath, [...daemonFlags, script, TOWLINE_BUILD, ...(willSync ? ['sources'] : [])], {
    detached: true,
    stdio: ['ignore', output, output],
    cwd: '/',
    env,
  });
  child.unref();
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  child.on('error', () => {
    ended = true;
  });
  return { gone: () => ended };
}

function failed(home: string, message: string): TowError {
  const log = join(controllerDirectory(home), 'log');
  return new TowError('controller-failed', message, {
    cause: new Error(`the end of ${log}: ${tail(log)}`),
    hint: `see ${log}`,
  });
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-3).join(' | ');
  } catch {
    return '(there is none)';
  }
}
