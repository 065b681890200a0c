import { systemClock } from '../protocol/base/clock.ts';
import { errnoOf } from '../protocol/base/errors.ts';
import { isAgent, lockHolder } from './agent-lock.ts';
import type { AgentPaths } from './paths.ts';
import { identify, isAlive } from './process-identity.ts';

const patienceMs = 5000;
/** A killed process whose last thread is stuck in the kernel (a dead file server's) may never end. */
const killedMs = 30_000;
const pollMs = 20;

/**
 * Ends the agent that holds this machine's lock, if one does, and returns its pid. Asks first, kills after 5 seconds;
 * jobs and their runners are processes of their own and go on. When it resolves, the agent's files are
 * closed, unless it has not ended 30 s after it was killed.
 */
export async function endAgent(paths: AgentPaths, signal: AbortSignal): Promise<number | undefined> {
  const pid = lockHolder(paths)?.pid;
  if (pid === undefined || !isAgent(pid)) return undefined;
  const agent = identify(pid);
  if (!kill(pid, 'SIGTERM')) return undefined;
  for (let waited = 0; isAlive(agent) && waited < patienceMs + killedMs; waited += pollMs) {
    if (waited >= patienceMs) kill(pid, 'SIGKILL');
    await systemClock.sleep(pollMs, signal);
  }
  return pid;
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    // It has ended, and its pid may be another user's process by now.
    if (errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EPERM') return false;
    throw error;
  }
}
