import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../../protocol/base/abort.ts';
import { systemClock } from '../../protocol/base/clock.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import type { RootGate } from '../../protocol/pull/replica/root-gate.ts';
import type { ScriptState } from '../../protocol/wire/job.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import type { AgentPaths } from '../paths.ts';
import type { Runners } from './runners.ts';
import { allScripts, ScriptDir, type ScriptKind } from './script-dir.ts';
import { streamLog } from './script-log.ts';
import { ScriptWatch } from './watch-script.ts';

type JobMethods = Pick<
  Handlers<AgentMethods>,
  'job.expect' | 'job.start' | 'job.state' | 'job.log' | 'job.cancel' | 'job.list'
>;

/** Jobs whose output is kept. */
const keptJobs = 100;

/** Serves jobs: starts scripts under runners, tells their state, streams their output. */
export function jobHandlers(options: {
  readonly paths: AgentPaths;
  readonly runners: Runners;
  readonly gate: RootGate;
}): JobMethods {
  const { paths, runners, gate } = options;
  const find = (job: string, kind: ScriptKind): ScriptDir => {
    const directory = new ScriptDir(join(paths.jobs, job, kind));
    if (!directory.exists) throw new TowError('unknown-job', `this node has no ${kind} of job ${job}`);
    return directory;
  };
  return {
    'job.expect': async ({ pulls }) => {
      runners.expect(pulls);
      return {};
    },
    'job.start': async ({ job, kind, script, env }, { signal }) => {
      const directory = new ScriptDir(join(paths.jobs, job, kind));
      const before = directory.exists ? stateOf(directory) : undefined;
      if (before !== undefined && (before.state !== 'running' || before.pid !== 0)) return before;
      refuseBadNames(env);
      await pruneJobs(paths, job);
      await gate.passed(signal);
      // Nothing is awaited from here to the directory: what was found to be so is still so. A start whose controller is
      // gone does not come after what the next one asks.
      throwIfAborted(signal);
      refuseUnfinishedSwitch(paths);
      refuseSecondScript(paths, job);
      const cwd = join(paths.home, 'sky_workdir');
      mkdirSync(cwd, { recursive: true });
      directory.create(script, { home: paths.home, cwd, env });
      runners.run(directory);
      return await stateWhen(directory, isClaimed, signal);
    },
    'job.state': async ({ job, kind, wait }, { signal }) => {
      const directory = find(job, kind);
      return wait ? await stateWhen(directory, hasEnded, signal) : stateOf(directory);
    },
    'job.log': async ({ job, kind, offset, tail, follow }, { send, signal }) => ({
      end: await streamLog(find(job, kind), { offset, tail, follow }, (bytes) => send(bytes), signal),
    }),
    'job.cancel': async ({ job, kind, graceMs }, { signal }) => await cancelScript(find(job, kind), graceMs, signal),
    'job.list': async () => ({
      scripts: allScripts(paths.jobs).map(({ job, kind, directory }) => ({
        job,
        kind,
        startedAt: directory.startedAt(),
        status: stateOf(directory),
      })),
    }),
  };
}

/** The state; of a script that is found lost, nothing is left running. */
function stateOf(directory: ScriptDir): ScriptState {
  const state = directory.state();
  if (state.state === 'lost') directory.clear();
  return state;
}

function hasEnded({ state }: ScriptState): boolean {
  return state !== 'running';
}

/** Whether it has a runner, and so can be signalled, or never will. */
function isClaimed({ state, pid }: ScriptState): boolean {
  return state !== 'running' || pid !== 0;
}

async function stateWhen(
  directory: ScriptDir,
  good: (state: ScriptState) => boolean,
  signal: AbortSignal,
): Promise<ScriptState> {
  using watch = new ScriptWatch(directory);
  for (;;) {
    await watch.next(signal);
    const state = stateOf(directory);
    if (good(state)) return state;
  }
}

async function cancelScript(directory: ScriptDir, graceMs: number, signal: AbortSignal): Promise<ScriptState> {
  const { state, pid } = await stateWhen(directory, isClaimed, signal);
  if (state !== 'running') return stateOf(directory);
  kill(pid, 'SIGTERM');
  const harder = new AbortController();
  const escalation = systemClock.sleep(graceMs, harder.signal).then(
    () => kill(pid, 'SIGUSR2'),
    () => undefined,
  );
  try {
    return await stateWhen(directory, hasEnded, signal);
  } finally {
    harder.abort();
    await escalation;
  }
}

function refuseBadNames(env: readonly (readonly [string, string])[]): void {
  const bad = env.find(([name, value]) => !/^[^=\0]+$/.test(name) || value.includes('\0'));
  if (bad !== undefined)
    throw new TowError('invalid-task', `the variable ${JSON.stringify(bad[0])} cannot be in an environment`, {
      hint: 'names have no = in them, and neither names nor values have NUL bytes',
    });
}

/** A switch that could not be finished (no space, say) must be before anything runs in the tree. */
function refuseUnfinishedSwitch(paths: AgentPaths): void {
  const open = readdirSync(paths.roots).find((key) => existsSync(join(paths.roots, key, 'journal')));
  if (open === undefined) return;
  throw new TowError('journal-damaged', `a switch of ${join(paths.roots, open)} was interrupted and is not finished`, {
    hint: 'sync again: that finishes it, or says why it cannot',
  });
}

function refuseSecondScript(paths: AgentPaths, job: string): void {
  const other = allScripts(paths.jobs).find((script) => script.job !== job && !hasEnded(stateOf(script.directory)));
  if (other !== undefined)
    throw new TowError('controller-busy', `job ${other.job} is running on this node`, {
      hint: 'wait for it, or cancel it',
      retryable: true,
    });
}

/** Removes the oldest jobs' output, but never `job`'s, nor that of one that runs. */
async function pruneJobs(paths: AgentPaths, job: string): Promise<void> {
  const scripts = allScripts(paths.jobs);
  const jobs = new Set(scripts.map((script) => script.job));
  const old = [...jobs].slice(0, Math.max(0, jobs.size - keptJobs));
  for (const one of old) {
    const runs = scripts.some((script) => script.job === one && !hasEnded(stateOf(script.directory)));
    if (one !== job && !runs) await rm(join(paths.jobs, one), { recursive: true, force: true });
  }
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGUSR2'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The runner has ended meanwhile.
  }
}
