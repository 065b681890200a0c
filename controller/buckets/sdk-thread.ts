/**
 * What the clouds' own clients find on this machine: keys, region, endpoint. They read `process.env`, which is the daemon's,
 * where only the request's counts; a thread can have an environment of its own. What it finds stays in memory.
 */
import { workerData } from 'node:worker_threads';
import { runThread } from '../../protocol/base/run-thread.ts';
import { serveThread } from '../../protocol/base/serve-thread.ts';
import { type AwsFound, findAws } from './find-aws.ts';
import { findGoogle, type GoogleFound } from './find-google.ts';

export interface Questions {
  readonly aws: AwsFound;
  readonly google: GoogleFound;
}

/** Asks in a thread that has `env` and nothing of ours. `script` is the bundle that serves the role 'sdk'. */
export async function askSdk<N extends keyof Questions>(
  script: string,
  question: N,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Questions[N]> {
  const input = { role: 'sdk', question };
  return await runThread<never, Questions[N]>({ script, workerData: input, env }, signal);
}

/** Serves the role 'sdk'. */
export async function serveSdkThread(): Promise<void> {
  await serveThread<AwsFound | GoogleFound>(() => (workerData.question === 'aws' ? findAws() : findGoogle()));
}
