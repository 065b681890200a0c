/** `agent.mjs`: the agent, and all else that runs on a node. Also the bundle that its worker threads run. */
import { homedir } from 'node:os';
import { isMainThread, workerData } from 'node:worker_threads';
import { toTowError } from '../protocol/base/errors.ts';
import { serveReplicaWorker } from '../protocol/pull/replica/worker.ts';
import { bridge } from './bridge.ts';
import { buildId } from './build-id.ts';
import { runAgent } from './daemon.ts';
import { endAgent } from './end-agent.ts';
import { enrol } from './enrol.ts';
import { runRunner } from './jobs/runner.ts';
import { agentPaths, machineKey } from './paths.ts';
import { startAgent } from './start.ts';

/** A mistake of ours, in sysexits' terms. */
const exitBug = 70;

const [command, argument] = process.argv.slice(2);

async function main(): Promise<void> {
  const home = homedir();
  const stop = new AbortController();
  switch (command) {
    case 'daemon':
      process.once('SIGTERM', () => stop.abort()).once('SIGINT', () => stop.abort());
      await runAgent(
        { home, machine: argument, privateTmp: argument === undefined || process.env['TOWLINE_PRIVATE_TMP'] === '1' },
        stop.signal,
      );
      return;
    case 'start':
      return await startAgent(agentPaths(home, machineKey(argument)), argument, stop.signal);
    case 'stop':
      await endAgent(agentPaths(home, machineKey(argument)), stop.signal);
      return;
    case 'enrol':
      return await enrol();
    case 'bridge':
      return await bridge(argument);
    case 'runner':
      return await runRunner(argument ?? '');
    case 'version':
      process.stdout.write(`${buildId()}\n`);
      return;
    case undefined:
    default:
      process.stderr.write('usage: agent.mjs daemon|start|stop|enrol|bridge|runner|version\n');
      process.exitCode = 2;
  }
}

if (isMainThread) {
  try {
    await main();
  } catch (error) {
    const { code, message } = toTowError(error, 'unexpected failure');
    process.stderr.write(`${code}: ${message}\n`);
    process.exitCode = code === 'internal' ? exitBug : 1;
  }
  // Whatever a library left open, a program that has done its work ends.
  if (command === 'daemon') process.exit();
} else if (workerData?.role === 'replica') {
  serveReplicaWorker();
}
