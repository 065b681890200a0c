import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { systemClock } from '../protocol/base/clock.ts';
import { errnoOf } from '../protocol/base/errors.ts';
import { tryLock } from '../protocol/libc/libc.ts';
import type { AgentPaths } from './paths.ts';

/** How long it is waited for the files of a killed agent, whose last thread may be in a long write, in ms. */
const patienceMs = 30_000;
const pollMs = 20;

/**
 * Takes this machine's lock, so that one agent runs for an account; it is held as long as the process lives. False if
 * another agent has it; one that is dying is waited for, up to 30 s. Without libc's flock, a live process of the recorded
 * pid counts as the holder.
 */
export async function takeAgentLock(paths: AgentPaths, build: string, signal: AbortSignal): Promise<boolean> {
  mkdirSync(paths.base, { recursive: true, mode: 0o700 });
  const fd = openSync(paths.lock, 'a+', 0o600);
  let locked = false;
  try {
    locked = await isFreed(fd, paths, signal);
  } finally {
    if (!locked) closeSync(fd);
  }
  if (!locked) return false;
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid} ${build}\n`);
  return true;
}

async function isFreed(fd: number, paths: AgentPaths, signal: AbortSignal): Promise<boolean> {
  for (let waited = 0; waited < patienceMs; waited += pollMs) {
    const held = isAgent(lockHolder(paths)?.pid);
    if (tryLock(fd) ?? !held) return true;
    if (held) return false;
    await systemClock.sleep(pollMs, signal);
  }
  return false;
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

/** Whether a process is there and is an agent: pids are used again. One that is dying has no command line any more. */
export function isAgent(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes('daemon');
  } catch {
    // No such process.
    return false;
  }
}
