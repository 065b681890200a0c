/**
 * A process that holds an agent's lock and then is as one that was killed in the middle of a long call: its main thread
 * is dead, and with it its memory's name in /proc, while another thread, and so every open file, is still there. Run as
 * `half-dead-agent.ts daemon PATH`. SIGTERM kills its main thread; the other one lives until the file at PATH is gone.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { takeAgentLock } from '../../agent/agent-lock.ts';
import { agentPaths, machineKey } from '../../agent/paths.ts';
import { libc } from '../../protocol/libc/libc.ts';

const exitThread = process.arch === 'arm64' ? 93 : 60;

if (isMainThread) {
  await takeAgentLock(agentPaths(homedir(), machineKey(undefined)), 'half', new AbortController().signal);
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[3] });
  const syscall = libc()?.koffi.load(null).func('long syscall(long, long)');
  process.once('SIGTERM', () => syscall?.(exitThread, 0));
  worker.once('online', () => process.stdout.write('holds\n'));
} else {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (existsSync(String(workerData))) Atomics.wait(pause, 0, 0, 10);
  process.kill(process.pid, 'SIGKILL');
}
