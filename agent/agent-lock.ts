import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { errnoOf } from '../protocol/base/errors.ts';
import { tryLock } from '../protocol/libc/libc.ts';
import type { AgentPaths } from './paths.ts';

/**
 * Takes this machine's lock, so that one agent runs for an account; it is held as long as the process lives. False if
 * another agent has it. Without libc's flock, a live process of the recorded pid counts as the holder.
 */
export function takeAgentLock(paths: AgentPaths, build: string): boolean {
  mkdirSync(paths.base, { recursive: true, mode: 0o700 });
  const fd = openSync(paths.lock, 'a+', 0o600);
  const locked = tryLock(fd) ?? !isAlive(lockHolder(paths)?.pid);
  if (!locked) {
    closeSync(fd);
    return false;
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid} ${build}\n`);
  return true;
}

/** Who wrote the lock file last; it may be gone. */
export function lockHolder(paths: AgentPaths): { readonly pid: number; readonly build: string } | undefined {
  try {
    const match = /^(\d+) (\S+)/.exec(readFileSync(paths.lock, 'utf8'));
    return match?.[1] === undefined || match[2] === undefined ? undefined : { pid: Number(match[1]), build: match[2] };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether a process is there and is an agent: pids are used again. */
export function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes('daemon');
  } catch {
    // No such process.
    return false;
  }
}
