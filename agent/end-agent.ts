import { readFileSync } from 'node:fs';
import { systemClock } from '../protocol/base/clock.ts';
import { errnoOf } from '../protocol/base/errors.ts';
import type { AgentPaths } from './paths.ts';

const patienceMs = 5000;
const pollMs = 20;

/**
 * Ends the agent that holds this machine's lock, if one does, and returns its pid. Asks first, kills after 5 seconds;
 * jobs and their runners are processes of their own and go on.
 */
export async function endAgent(paths: AgentPaths, signal: AbortSignal): Promise<number | undefined> {
  const pid = holderOf(paths);
  if (pid === undefined || !kill(pid, 'SIGTERM')) return undefined;
  for (let waited = 0; isAgent(pid); waited += pollMs) {
    if (waited >= patienceMs) kill(pid, 'SIGKILL');
    await systemClock.sleep(pollMs, signal);
  }
  return pid;
}

/** Process that wrote its pid into the lock file, if it still lives and is an agent (pids are used again). */
function holderOf(paths: AgentPaths): number | undefined {
  let text: string;
  try {
    text = readFileSync(paths.lock, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const pid = Number(/\d+/.exec(text)?.[0] ?? 0);
  return pid > 1 && isAgent(pid) ? pid : undefined;
}

function isAgent(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes('daemon');
  } catch {
    // No such process.
    return false;
  }
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}
