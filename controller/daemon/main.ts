/** `controller.mjs`: the daemon, and the bundle of its worker threads but for those of sources. */

import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, workerData } from 'node:worker_threads';
import { WorkerPool } from '../../protocol/base/worker-pool.ts';
import { reuseMemory } from '../../protocol/libc/libc.ts';
import type { SourceTasks } from '../../protocol/pull/source/tasks.ts';
import { serveBucketWorker } from '../buckets/bucket-worker.ts';
import { serveSdkThread } from '../buckets/sdk-thread.ts';
import { serveViaWorker } from '../via/via-worker.ts';
import { Controller } from './controller.ts';
import { takeDaemonLock } from './daemon-lock.ts';
import { log } from './log.ts';
import { ApiServer } from './server.ts';

/** Threads that scan, hash and read: what a laptop can spare. */
const sourceThreads = 2;

/** A daemon that is ending has closed its socket, and lets go of its lock within this time. */
const lockPatienceMs = 5000;

async function main(): Promise<void> {
  process.umask(0o077);
  const script = fileURLToPath(import.meta.url);
  const pool = new WorkerPool<SourceTasks>(join(dirname(script), 'source-thread.mjs'), 'source', sourceThreads);
  // They come up while the rest does.
  if (process.argv[3] === 'sources') pool.warm();
  const home = process.env['HOME'] ?? '/';
  const directory = join(home, '.towline', 'controller');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const socket = join(directory, 'api.sock');
  if (!(await waitForLock(join(directory, 'lock'), socket))) {
    log('another controller runs: this one is not needed');
    return;
  }
  reuseMemory({ reusedBytes: 16 << 20, keptBytes: 32 << 20 });
  const build = process.argv[2] ?? '';
  log(`controller ${build} starts, pid ${process.pid}, Node ${process.version}`);
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  process
    .on('SIGTERM', stop)
    .on('SIGINT', stop)
    .on('SIGHUP', () => undefined);
  process.on('uncaughtException', (error) => log(`uncaught: ${error.stack ?? error.message}`));
  process.on('unhandledRejection', (reason) =>
    log(`unhandled: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`),
  );
  const controller = await Controller.open({
    home,
    dist: dirname(script),
    script,
    agentBuild: TOWLINE_AGENT_BUILD,
    build: TOWLINE_AGENT_BUILD,
    pool,
    log,
  });
  const server = new ApiServer({ path: socket, build, controller, stop });
  await server.listen();
  await stopped;
  log('controller ends');
  await server[Symbol.asyncDispose]();
  await controller[Symbol.asyncDispose]();
  server.releaseHandedOver();
}

/** Takes the lock; false when another daemon has it and answers, or has had it for long. */
async function waitForLock(path: string, socket: string): Promise<boolean> {
  for (const deadline = Date.now() + lockPatienceMs; ; ) {
    if (takeDaemonLock(path)) return true;
    // Of two that were started at once, the other: waiting for its end would bring a daemon back after `tow stop`.
    if (Date.now() > deadline || (await answers(socket))) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function answers(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    const settle = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
  });
}

if (!isMainThread) {
  if (workerData?.role === 'sdk') void serveSdkThread();
  else if (workerData?.role === 'via') serveViaWorker();
  else if (workerData?.role === 'bucket') serveBucketWorker();
} else {
  try {
    await main();
  } catch (error) {
    log(`cannot start: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
  // Whatever is left (a socket's last bytes) has a moment; then the lock is free.
  setTimeout(() => process.exit(), 200).unref();
}
