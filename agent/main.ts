/**
 * `agent.mjs`: the agent, and all else that runs on a node. Also the bundle that its worker threads run. Each role loads
 * what it needs and no more: a job waits for its runner, a pull for its thread.
 */
import { homedir } from 'node:os';
import { isMainThread, workerData } from 'node:worker_threads';
import { toTowError } from '../protocol/base/errors.ts';
import type { AgentPaths } from './paths.ts';

/** A mistake of ours, in sysexits' terms. */
const exitBug = 70;

const [command, argument] = process.argv.slice(2);

async function main(): Promise<void> {
  const home = homedir();
  const stop = new AbortController();
  switch (command) {
    case 'daemon':
      process.once('SIGTERM', () => stop.abort()).once('SIGINT', () => stop.abort());
      await (await import('./daemon.ts')).runAgent(
        { home, machine: argument, reach: argument === undefined ? 'machine' : localReach() },
        stop.signal,
      );
      return;
    case 'start':
      return await (await import('./start.ts')).startAgent(await pathsOf(home, argument), argument, stop.signal);
    case 'stop':
      await (await import('./end-agent.ts')).endAgent(await pathsOf(home, argument), stop.signal);
      return;
    case 'enrol':
      return await (await import('./enrol.ts')).enrol();
    case 'bridge':
      return await (await import('./bridge.ts')).bridge(argument);
    case 'runner':
      if (argument === undefined) return await (await import('./jobs/spare-runner.ts')).runSpareRunner();
      return await (await import('./jobs/runner.ts')).runRunner(argument);
    case 'version':
      process.stdout.write(`${(await import('./build-id.ts')).buildId()}\n`);
      return;
    case undefined:
    default:
      process.stderr.write('usage: agent.mjs daemon|start|stop|enrol|bridge|runner|version\n');
      process.exitCode = 2;
  }
}

/** What whoever started this local node says of its mount namespace. */
function localReach(): 'namespace' | 'home' {
  return process.env['TOWLINE_REACH'] === 'namespace' ? 'namespace' : 'home';
}

async function pathsOf(home: string, machine: string | undefined): Promise<AgentPaths> {
  const { agentPaths, machineKey } = await import('./paths.ts');
  return agentPaths(home, machineKey(machine));
}

async function runMain(): Promise<void> {
  try {
    await main();
  } catch (error) {
    const { code, message } = toTowError(error, 'unexpected failure');
    process.stderr.write(`${code}: ${message}\n`);
    process.exitCode = code === 'internal' ? exitBug : 1;
  }
  // Whatever a library left open, a program that has done its work ends.
  if (command === 'daemon') process.exit();
}

if (isMainThread) void runMain();
else if (workerData?.role === 'replica')
  void import('../protocol/pull/replica/worker.ts').then(({ serveReplicaWorker }) => serveReplicaWorker());
else if (workerData?.role === 'copy')
  void import('./copy/copy-worker.ts').then(({ serveCopyWorker }) => serveCopyWorker());
else if (workerData?.role === 'head')
  void import('./copy/head/head-worker.ts').then(({ serveHeadWorker }) => serveHeadWorker());
else if (workerData?.role === 'via') void import('./via/via-worker.ts').then(({ serveViaWorker }) => serveViaWorker());
