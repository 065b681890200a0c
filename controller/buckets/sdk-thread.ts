/**
 * What the clouds' own clients find on this machine: keys, region, endpoint. They read `process.env`, which is the daemon's,
 * where only the request's counts; a thread can have an environment of its own. What it finds stays in memory.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { cancelled } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { fromWorkerError, toWorkerError, type WorkerError } from '../../protocol/base/worker-message.ts';
import { type AwsFound, findAws } from './find-aws.ts';
import { findGoogle, type GoogleFound } from './find-google.ts';

export interface Questions {
  readonly aws: AwsFound;
  readonly google: GoogleFound;
}

type Answer<N extends keyof Questions> =
  | { readonly type: 'found'; readonly found: Questions[N] }
  | { readonly type: 'failed'; readonly error: WorkerError };

/** Asks in a thread that has `env` and nothing of ours. `script` is the bundle that serves the role 'sdk'. */
export async function askSdk<N extends keyof Questions>(
  script: string,
  question: N,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Questions[N]> {
  const worker = new Worker(script, { workerData: { role: 'sdk', question }, env: { ...env }, stderr: true });
  // Google's and Amazon's clients warn there, of this and that.
  worker.stderr.resume();
  try {
    return await new Promise<Questions[N]>((resolve, reject) => {
      const abort = (): void => reject(signal.reason instanceof TowError ? signal.reason : cancelled());
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      worker.on('error', reject);
      worker.on('message', (answer: Answer<N>) => {
        if (answer.type === 'found') resolve(answer.found);
        else reject(fromWorkerError(answer.error));
      });
      worker.on('exit', () => reject(new TowError('internal', `the thread that looks for ${question} ended`)));
    });
  } finally {
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    await worker.terminate();
  }
}

/** Serves the role 'sdk'. */
export async function serveSdkThread(): Promise<void> {
  if (isMainThread || parentPort === null) throw new TowError('internal', 'not in a worker thread');
  const post = (answer: Answer<keyof Questions>): void => parentPort?.postMessage(answer);
  try {
    post({ type: 'found', found: await (workerData.question === 'aws' ? findAws() : findGoogle()) });
  } catch (error) {
    post({ type: 'failed', error: toWorkerError(error) });
  }
}
