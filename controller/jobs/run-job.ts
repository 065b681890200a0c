/** A job from its first script to its exit codes: setup on all nodes, a barrier, run on its ranks. */
import { TowError, toTowError } from '../../protocol/base/errors.ts';
import type { JobState } from '../api/event.ts';
import type { Job, ScriptKind } from './job.ts';
import type { JobRecord } from './job-record.ts';
import { awaitScript, cancelScript, hasScript, type JobNode, startScript } from './node-scripts.ts';

/** Exit code recorded for a rank that was stopped because another one failed. */
export const stoppedCode = 137;
/** Exit code recorded for a script whose runner died without leaving one. */
const lostCode = 255;

export type JobChange = Partial<Pick<JobRecord, 'state' | 'exitCodes' | 'note'>>;

export interface JobRun {
  readonly job: Job;
  /** Nodes of setup, and of run, by rank. */
  readonly setupNodes: readonly JobNode[];
  readonly runNodes: readonly JobNode[];
  /** What a script of a kind runs on a rank, secrets included; undefined when they are gone with a crashed controller. */
  script(
    kind: ScriptKind,
    rank: number,
  ): { readonly text: string; readonly env: readonly [string, string][] } | undefined;
  /** Not to be called again before it resolves. */
  save(change: JobChange): Promise<void>;
}

/** Runs, or after a restart of the controller goes on with, a job. Ends with its record in an end state. Rejects only when `signal` aborts. */
export async function runJob(run: JobRun, signal: AbortSignal): Promise<void> {
  const { record } = run.job;
  try {
    const fromSetup = record.state !== 'RUNNING';
    if (!fromSetup) run.job.start('setup');
    if (fromSetup && record.setup !== undefined) {
      const codes = await runIn('SETTING_UP', run, 'setup', run.setupNodes, signal);
      if (codes.some((code) => code !== 0)) {
        await run.save({ state: run.job.cancelled.aborted ? 'CANCELLED' : 'FAILED_SETUP', exitCodes: codes });
        return;
      }
    }
    if (record.run === undefined) {
      await run.save({ state: 'SUCCEEDED', exitCodes: run.runNodes.map(() => 0) });
      return;
    }
    const codes = await runIn('RUNNING', run, 'run', run.runNodes, signal);
    const good = codes.every((code) => code === 0);
    await run.save({
      state: run.job.cancelled.aborted ? 'CANCELLED' : good ? 'SUCCEEDED' : 'FAILED',
      exitCodes: codes,
    });
  } catch (error) {
    signal.throwIfAborted();
    const { message } = toTowError(error, 'running the job');
    await run.save({ state: run.job.cancelled.aborted ? 'CANCELLED' : 'FAILED', note: message });
  }
}

/**
 * Runs scripts while the record comes to say so. The scripts are sent first: a crash before the record is on the disk
 * leaves the state before, from which a resumed job sends them again, and a node starts a script once.
 */
async function runIn(
  state: JobState,
  run: JobRun,
  kind: ScriptKind,
  nodes: readonly JobNode[],
  signal: AbortSignal,
): Promise<number[]> {
  const scripts = runScripts(run, kind, nodes, signal);
  const saved = run.save({ state }).catch((error: unknown) => {
    // A job that cannot be kept account of is not run.
    run.job.cancel();
    throw error;
  });
  const [codes, save] = await Promise.allSettled([scripts, saved]);
  if (save.status === 'rejected') throw save.reason;
  if (codes.status === 'rejected') throw codes.reason;
  return codes.value;
}

/** Exit codes by rank. The first that fails has the others stopped; so does a cancelled job. */
async function runScripts(
  run: JobRun,
  kind: ScriptKind,
  nodes: readonly JobNode[],
  signal: AbortSignal,
): Promise<number[]> {
  const { job } = run;
  const codes = nodes.map(() => -1);
  const stopping = new Set<Promise<void>>();
  const stopOthers = (): void => {
    nodes.forEach((node, rank) => {
      if (codes[rank] !== -1) return;
      codes[rank] = stoppedCode;
      stopping.add(cancelScript(node, { job: job.record.id, kind }, signal));
    });
  };
  job.cancelled.addEventListener('abort', stopOthers);
  try {
    const started = nodes.map((node, rank) => start(run, kind, node, rank, signal));
    await Promise.all(started.map((one) => one.catch(() => undefined)));
    job.start(kind);
    if (job.cancelled.aborted) stopOthers();
    const settled = await Promise.allSettled(
      nodes.map(async (node, rank) => {
        try {
          await started[rank];
          const state = await awaitScript(node, { job: job.record.id, kind }, signal);
          if (codes[rank] === -1) codes[rank] = state.state === 'exited' ? state.code : lostCode;
        } catch (error) {
          if (codes[rank] === -1) codes[rank] = lostCode;
          throw error;
        } finally {
          if (codes[rank] !== 0) stopOthers();
        }
      }),
    );
    await Promise.allSettled(stopping);
    const failure = settled.find((one) => one.status === 'rejected');
    if (failure?.status === 'rejected') throw failure.reason;
    return codes;
  } finally {
    job.cancelled.removeEventListener('abort', stopOthers);
  }
}

async function start(run: JobRun, kind: ScriptKind, node: JobNode, rank: number, signal: AbortSignal): Promise<void> {
  const script = run.script(kind, rank);
  const { id } = run.job.record;
  if (script !== undefined) {
    const { pid } = await startScript(node, { job: id, kind, ...script }, signal);
    run.job.began(kind, rank, pid);
    return;
  }
  // Without its secrets a script cannot be started, only found running.
  if (await hasScript(node, { job: id, kind }, signal)) return;
  throw new TowError(
    'job-failed',
    'the controller was restarted between setup and run, and secrets are not kept on disk: submit the job again',
  );
}
