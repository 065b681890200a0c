import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../protocol/base/clock.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import type { RootGate } from '../../protocol/pull/replica/root-gate.ts';
import type { ScriptState } from '../../protocol/wire/job.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import type { AgentPaths } from '../paths.ts';
import { allScripts, ScriptDir, type ScriptKind } from './script-dir.ts';
import { scriptEnv, workdirOf } from './script-env.ts';
import { streamLog } from './script-log.ts';
import { ScriptWatch } from './watch-script.ts';

type JobMethods = Pick<Handlers<AgentMethods>, 'job.start' | 'job.state' | 'job.log' | 'job.cancel' | 'job.list'>;

/** Jobs whose output is kept. */
const keptJobs = 100;

/** Serves jobs: starts scripts under runners, tells their state, streams their output. */
export function jobHandlers(options: {
  readonly paths: AgentPaths;
  readonly bundle: string;
  readonly gate: RootGate;
}): JobMethods {
  const { paths, bundle, gate } = options;
  const find = (job: string, kind: ScriptKind): ScriptDir => {
    const directory = new ScriptDir(join(paths.jobs, job, kind));
    if (!directory.exists) throw new TowError('unknown-job', `this node has no ${kind} of job ${job}`);
    return directory;
  };
  return {
    'job.start': async ({ job, kind, script, env }, { signal }) => {
      const directory = new ScriptDir(join(paths.jobs, job, kind));
      const before = directory.exists ? directory.state() : undefined;
      if (before !== undefined && (before.state !== 'running' || before.pid !== 0)) return before;
      await gate.passed(signal);
      refuseUnfinishedSwitch(paths);
      refuseSecondScript(paths, job);
      pruneJobs(paths);
      directory.create(script, { cwd: workdirOf(paths.home), env: scriptEnv(paths.home, env) });
      spawn(process.execPath, [bundle, 'runner', directory.path], {
        detached: true,
        stdio: 'ignore',
        cwd: paths.home,
      }).unref();
      return await stateWhen(directory, (state) => state.state !== 'running' || state.pid !== 0, signal);
    },
    'job.state': async ({ job, kind, wait }, { signal }) => {
      const directory = find(job, kind);
      return wait ? await stateWhen(directory, (state) => state.state !== 'running', signal) : directory.state();
    },
    'job.log': async ({ job, kind, offset, tail, follow }, { send, signal }) => ({
      end: await streamLog(find(job, kind), { offset, tail, follow }, (bytes) => send(bytes), signal),
    }),
    'job.cancel': async ({ job, kind, graceMs }, { signal }) => {
      const directory = find(job, kind);
      const { state, pid } = directory.state();
      if (state === 'running' && pid > 0) {
        kill(pid, 'SIGTERM');
        const harder = new AbortController();
        systemClock.sleep(graceMs, harder.signal).then(
          () => kill(pid, 'SIGUSR2'),
          () => undefined,
        );
        try {
          await stateWhen(directory, (now) => now.state !== 'running', signal);
        } finally {
          harder.abort();
        }
      }
      return directory.state();
    },
    'job.list': async () => ({
      scripts: allScripts(paths.jobs).map(({ job, kind, directory }) => ({
        job,
        kind,
        startedAt: directory.startedAt(),
        status: directory.state(),
      })),
    }),
  };
}

async function stateWhen(
  directory: ScriptDir,
  good: (state: ScriptState) => boolean,
  signal: AbortSignal,
): Promise<ScriptState> {
  using watch = new ScriptWatch(directory);
  for (;;) {
    await watch.next(signal);
    const state = directory.state();
    if (state.state === 'lost') directory.forgetEnvironment();
    if (good(state)) return state;
  }
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
  const other = allScripts(paths.jobs).find(
    (script) => script.job !== job && script.directory.state().state === 'running',
  );
  if (other !== undefined)
    throw new TowError('controller-busy', `job ${other.job} is running on this node`, {
      hint: 'wait for it, or cancel it',
      retryable: true,
    });
}

function pruneJobs(paths: AgentPaths): void {
  const scripts = allScripts(paths.jobs).filter(({ directory }) => directory.state().state !== 'running');
  const jobs = [...new Set(scripts.map(({ job }) => job))];
  for (const job of jobs.slice(0, Math.max(0, jobs.length - keptJobs)))
    rmSync(join(paths.jobs, job), { recursive: true, force: true });
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGUSR2'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The runner has ended meanwhile.
  }
}
