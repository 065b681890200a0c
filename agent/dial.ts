import { type FSWatcher, mkdirSync, readdirSync, rmSync, statSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { WebSocket } from 'ws';
import { systemClock } from '../protocol/base/clock.ts';
import { TowError, toTowError } from '../protocol/base/errors.ts';
import type { Link } from '../protocol/link/link.ts';
import { dialUnix } from '../protocol/link/transport.ts';
import type { NodeIdentity } from '../protocol/wire/enrol.ts';
import type { ControllerMethods } from '../protocol/wire/methods.ts';
import type { AgentPaths } from './paths.ts';

export interface DialOptions {
  readonly paths: AgentPaths;
  readonly identity: NodeIdentity;
  open(socket: WebSocket, signal: AbortSignal): Promise<Link<ControllerMethods>>;
  onLink(link: Link<ControllerMethods> | undefined): void;
  log(line: string): void;
}

const firstPauseMs = 200;
const longestPauseMs = 10_000;
/** A controller that does not know us any more is asked again, but seldom. */
const revokedPauseMs = 300_000;
/**
 * A forwarded socket is given up, and removed, when it failed this often. Not at once: sshd binds it before it listens, and
 * whoever dials in between is refused.
 */
const failuresToRemove = 4;

/** Keeps one link to the controller until `signal` aborts: dials, serves until it is lost, waits a little longer each time. */
export async function keepLink(options: DialOptions, signal: AbortSignal): Promise<void> {
  mkdirSync(options.paths.run, { recursive: true, mode: 0o700 });
  const failures = new Map<string, number>();
  let pauseMs = firstPauseMs;
  while (!signal.aborted) {
    const path = socketToDial(options);
    try {
      if (path !== undefined) {
        const link = await options.open(await dialUnix(path, signal), signal);
        options.log(`linked to ${options.identity.controller.name}`);
        pauseMs = firstPauseMs;
        failures.clear();
        options.onLink(link);
        const stop = (): void => link.close(new TowError('link-lost', 'the agent stops', { retryable: true }));
        signal.addEventListener('abort', stop, { once: true });
        if (signal.aborted) stop();
        const reason = await link.closed;
        signal.removeEventListener('abort', stop);
        options.onLink(undefined);
        options.log(`link lost: ${reason.message}`);
      }
    } catch (error) {
      const { code, message } = toTowError(error, 'dialling');
      options.log(`${code}: ${message}`);
      if (code === 'unauthenticated') pauseMs = revokedPauseMs;
      else if (code === 'link-lost' && path !== undefined && options.identity.link.kind === 'run-dir')
        noteFailure(path, failures);
    }
    const woken = await pause(options, pauseMs * (0.5 + Math.random() / 2), signal);
    pauseMs = woken ? firstPauseMs : Math.min(pauseMs * 1.6, Math.max(longestPauseMs, pauseMs));
  }
}

function noteFailure(path: string, failures: Map<string, number>): void {
  const count = (failures.get(path) ?? 0) + 1;
  if (count < failuresToRemove) failures.set(path, count);
  else {
    failures.delete(path);
    rmSync(path, { force: true });
  }
}

/** The socket the controller can be reached by now: a fixed one, or the newest that was forwarded to the run directory. */
function socketToDial({ identity, paths }: DialOptions): string | undefined {
  if (identity.link.kind === 'unix') return identity.link.path;
  return readdirSync(paths.run)
    .filter((name) => /^link-[0-9a-f]+\.sock$/.test(name))
    .map((name) => join(paths.run, name))
    .map((path) => ({ path, madeAt: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.madeAt - a.madeAt)[0]?.path;
}

/** Waits `ms`, or less when a socket turns up, or goes, where one to dial would be, which is told. */
async function pause(options: DialOptions, ms: number, signal: AbortSignal): Promise<boolean> {
  const wake = new AbortController();
  const watcher = watchSockets(options, () => wake.abort());
  try {
    await systemClock.sleep(ms, AbortSignal.any([signal, wake.signal]));
  } catch {
    // Woken or stopped; the caller looks which.
  } finally {
    watcher?.close();
  }
  return wake.signal.aborted;
}

function watchSockets({ identity, paths }: DialOptions, onChange: () => void): FSWatcher | undefined {
  if (identity.link.kind !== 'unix') return watch(paths.run, onChange);
  const { path } = identity.link;
  try {
    // The controller has other files there.
    const watcher = watch(dirname(path), (_, name) => {
      if (name === basename(path)) onChange();
    });
    return watcher.on('error', () => undefined);
  } catch {
    // The controller's directory is away: there will be another try.
    return undefined;
  }
}
