import { readdirSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { bootId } from '../protocol/base/boot-id.ts';

/** One process and no other: a pid alone is given to another process later, and again after a reboot. */
export const processSchema = v.object({ pid: v.number(), startTime: v.string(), boot: v.string() });
export type ProcessIdentity = v.InferOutput<typeof processSchema>;

/** In place of a process that never was. */
export const nobody: ProcessIdentity = { pid: 0, startTime: '', boot: '' };

/** Where fields stand in /proc/PID/stat behind the command's closing parenthesis (proc(5), less 3). */
const stateField = 0;
const sessionField = 3;
const threadsField = 17;
const startTimeField = 19;

export function identify(pid: number): ProcessIdentity {
  return { pid, startTime: statOf(pid)?.[startTimeField] ?? '', boot: bootId() ?? '' };
}

/**
 * Whether it still runs. A dead process that nobody has waited for does not; one that was killed does until its last
 * thread has left the kernel: up to then its files, and so its locks, are open.
 */
export function isAlive({ pid, startTime, boot }: ProcessIdentity): boolean {
  if (pid <= 0 || boot !== (bootId() ?? '')) return false;
  const stat = statOf(pid);
  return stat !== undefined && stat[startTimeField] === startTime;
}

/** The living processes of a session. Reads /proc: milliseconds where there are hundreds of processes. */
export function sessionMembers(session: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statOf(pid)?.[sessionField] === String(session));
}

/** Looks at a session's processes, at most: one that forks and ends all the time cannot be caught for certain. */
const maxLooks = 20;

/**
 * Signals every process of a session: its process groups are many where scripts use `timeout` or job control. A process
 * that made a session of its own (a daemon) is left alone. SIGKILL goes also to what was forked while it looked.
 */
export function signalSession(session: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  const signalled = new Set<number>();
  // What a script starts to clean up is not to be ended by the same SIGTERM.
  for (let looks = signal === 'SIGKILL' ? maxLooks : 1; looks > 0; looks -= 1) {
    const found = sessionMembers(session).filter((pid) => !signalled.has(pid));
    for (const pid of found) {
      signalled.add(pid);
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended meanwhile, or (after su) is another user's.
      }
    }
    if (found.length === 0) return;
  }
}

/** Fields of a living process. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command may have spaces and parentheses in it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const dead = fields[stateField] === 'Z' || fields[stateField] === 'X';
    return dead && !(Number(fields[threadsField]) > 1) ? undefined : fields;
  } catch {
    // There is none.
    return undefined;
  }
}
