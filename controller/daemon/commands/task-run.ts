/** What launch, exec and push have in common: sync a cluster's roots, submit a job, follow it. */

import { TowError } from '../../../protocol/base/errors.ts';
import { displayPath } from '../../../protocol/base/root-path.ts';
import type { FirstLevel } from '../../../protocol/pull/source/compression.ts';
import type { TaskOptions } from '../../api/command.ts';
import type { ApiSummary, SyncSummary } from '../../api/event.ts';
import type { AccessRequest } from '../../buckets/resolve-access.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Turn } from '../../jobs/cluster-queue.ts';
import { followJob } from '../../jobs/follow-job.ts';
import type { Job } from '../../jobs/job.ts';
import type { ReservedJob } from '../../jobs/jobs.ts';
import { measured } from '../../sync/measured.ts';
import { type RootsRequest, rootsOf } from '../../sync/sync-plan.ts';
import type { SyncNode, SyncOptions, SyncRoot } from '../../sync/sync-root.ts';
import { lookAhead, syncRoots, takeSnapshot } from '../../sync/sync-roots.ts';
import type { BucketUri } from '../../task/bucket-uri.ts';
import type { Task } from '../../task/task.ts';
import { Via } from '../../via/via.ts';
import type { CommandResult } from '../command-result.ts';
import type { CommandContext } from '../context.ts';
import type { Controller } from '../controller.ts';

/** A link whose round trip is longer than this (ms) is no LAN, and so is taken for a slow one. */
const farMs = 5;

export function homeOf(context: CommandContext, controller: Controller): string {
  return context.env['HOME'] ?? controller.home;
}

/** How clouds are asked for credentials: as the CLI's own surroundings have it. */
export function accessRequest(
  credentials: AccessRequest['credentials'],
  context: CommandContext,
  controller: Controller,
): AccessRequest {
  return { script: controller.script, env: context.env, home: homeOf(context, controller), credentials };
}

/** The workdir that is synced: the task's, else the cluster's last one; undefined when none is wanted. */
export function workdirOf(task: Task, options: TaskOptions, cluster: Cluster | undefined): string | undefined {
  if (options.noWorkdir) return undefined;
  if (task.workdir?.type === 'local') return task.workdir.path;
  const last = cluster?.state.workdir;
  return last === undefined ? undefined : Buffer.from(last, 'latin1').toString();
}

export async function openRoots(
  request: Omit<RootsRequest, 'home' | 'xdgConfigHome' | 'access'> & Pick<Task['sync'], 'credentials'>,
  context: CommandContext,
  controller: Controller,
): Promise<SyncRoot[]> {
  const home = homeOf(context, controller);
  try {
    return await rootsOf(
      {
        ...request,
        home,
        xdgConfigHome: context.env['XDG_CONFIG_HOME'],
        access: accessRequest(request.credentials, context, controller),
      },
      controller,
      context.signal,
    );
  } catch (error) {
    if (error instanceof TowError) throw error;
    throw new TowError('workdir-missing', `cannot find ${request.workdir ?? 'a mount source'}`, {
      cause: error,
      hint: 'it was there when the task was read: look again, and repeat',
    });
  }
}

/** The place in a bucket that chunks go through; good for this command. */
export function openVia(
  uri: BucketUri,
  credentials: Task['sync']['credentials'],
  context: CommandContext,
  controller: Controller,
): Via {
  const { script, home, viaDirectory: directory } = controller;
  const access = { script, env: context.env, home: context.env['HOME'] ?? home, credentials };
  return new Via({ uri, script, directory, access }, context.signal);
}

/** Syncs roots to all nodes of a cluster and remembers the workdir. */
export async function syncCluster(
  cluster: Cluster,
  roots: readonly SyncRoot[],
  options: TaskOptions,
  context: CommandContext,
  controller: Controller,
  ahead?: SyncOptions['ahead'],
  via?: Via,
): Promise<SyncSummary | undefined> {
  if (roots.length === 0) return undefined;
  const links = cluster.nodes.flatMap((node) => node.session.current ?? []);
  await Promise.all(links.map(async (link) => await measured(link, context.signal)));
  const nodes = cluster.nodes.map(
    (node): SyncNode => ({
      name: node.name,
      keyId: node.keyId,
      serve: () => ({
        compression: node.isLocal ? undefined : compressionFor(node.session.current?.roundTripMs),
        fromGit: node.session.current?.peer.capabilities.includes('git-objects') === true,
      }),
      link: (signal) => node.link(context, signal),
    }),
  );
  const absolute = roots
    .map(({ dest }) => Buffer.from(dest, 'latin1').toString())
    .filter((dest) => dest.startsWith('/'));
  const beyond = absolute.filter((dest) => !dest.startsWith('/tmp/'));
  if (beyond.length > 0) await Promise.all(cluster.nodes.map((node) => node.reserve(beyond, context)));
  const { verify, allowDelete, allowPartial } = options;
  const summary = await syncRoots(
    nodes,
    roots,
    {
      cluster: cluster.name,
      verify,
      allowDelete,
      allowPartial,
      offers: controller.offers,
      buckets: controller.bucketOffers,
      grants: controller.grants,
      held: controller.held,
      via,
      ...(ahead === undefined ? {} : { ahead }),
      emit: (event) => context.emit(event),
    },
    context.signal,
  );
  const workdir = roots.find(({ name }) => name === 'workdir')?.from;
  if (workdir === undefined) return summary;
  if (cluster.state.workdir !== workdir) await cluster.update({ workdir });
  return { ...summary, workdir: displayPath(workdir) };
}

function compressionFor(roundTripMs: number | undefined): FirstLevel {
  return roundTripMs !== undefined && roundTripMs > farMs ? 'far' : 'near';
}

/** What `--dryrun` shows: every root with what would be there. */
export async function showPlan(
  roots: readonly SyncRoot[],
  options: TaskOptions,
  context: CommandContext,
): Promise<void> {
  for (const root of roots) {
    if (root.type === 'bucket') {
      context.emit({ type: 'data', kind: 'plan', root: displayPath(root.dest), source: root.from });
      continue;
    }
    const { totals } = await takeSnapshot(root, { ...options, emit: (event) => context.emit(event) }, context.signal);
    context.emit({
      type: 'data',
      kind: 'plan',
      root: displayPath(root.dest),
      source: displayPath(root.from),
      files: totals.files,
      bytes: totals.bytes,
    });
  }
}

/** Waits for the cluster's turn, telling the user if that takes other jobs' time. */
export async function takeTurn(cluster: Cluster, context: CommandContext, controller: Controller): Promise<Turn> {
  const queue = controller.jobs.queue(cluster.name);
  if (queue.length > 0) {
    const running = controller.jobs.list(cluster.name).find(({ ended }) => !ended);
    const what = running === undefined ? 'another sync' : `job ${running.record.number}`;
    context.emit({
      type: 'note',
      level: 'info',
      text: `waiting for ${what} on ${cluster.name} (Ctrl-C gives up the place)`,
    });
    // A job from before the controller was killed may itself wait, for nodes that only a command can reach again.
    void reachNodes(cluster, context).catch(() => undefined);
  }
  return await queue.turn(context.signal);
}

/** Makes sure every node has an agent of this build before anything is done. */
async function reachNodes(cluster: Cluster, context: CommandContext): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.link(context, context.signal)));
}

/** Reaches all nodes, and begins to look at the roots meanwhile: after a restart both take their time. */
export async function reachAndLook(
  cluster: Cluster,
  roots: readonly SyncRoot[],
  options: TaskOptions,
  context: CommandContext,
): Promise<SyncOptions['ahead']> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const ahead = lookAhead(roots, { ...options, emit: (event) => context.emit(event) }, signal);
  try {
    await reachNodes(cluster, context);
    return ahead;
  } catch (error) {
    stop.abort();
    await Promise.allSettled([...ahead.values()].map(({ snapshot }) => snapshot));
    throw error;
  }
}

/** Syncs, then submits a job (which takes over the turn) and, unless detached, follows it to its end. */
export async function syncAndRun(
  request: {
    readonly command: string;
    readonly cluster: Cluster;
    readonly roots: readonly SyncRoot[];
    /** What `reachAndLook` has begun. */
    readonly ahead: SyncOptions['ahead'];
    readonly options: TaskOptions;
    readonly task: Task;
    readonly setup: string | undefined;
    readonly numNodes: number;
    readonly detach: boolean;
    readonly turn: Turn;
    readonly via?: Via | undefined;
  },
  context: CommandContext,
  controller: Controller,
): Promise<CommandResult> {
  const { command, cluster, roots, ahead, options, task, setup, numNodes, detach, turn, via } = request;
  const name = task.name ?? (task.run ?? 'setup').split('\n')[0]?.slice(0, 40) ?? '';
  const { envs, secrets } = task;
  const reserved = controller.jobs.reserve(
    cluster,
    { name, setup, run: task.run, numNodes, envs, secrets },
    roots.length,
  );
  const sync = await syncOrRelease(reserved);
  const summary: ApiSummary = { command, ...(sync === undefined ? {} : { sync }) };
  const job = await controller.jobs.submit(cluster, reserved, turn);
  // Told when the job is on its way: telling takes time.
  if (sync !== undefined) context.emit({ type: 'sync', ...sync });
  context.emit({ type: 'job', cluster: cluster.name, job: String(job.record.number), state: 'INIT' });
  if (detach) {
    return {
      summary: {
        ...summary,
        job: jobSummary(job),
        text: `job ${job.record.number} was submitted; tow logs ${cluster.name} ${job.record.number} follows it`,
      },
    };
  }
  try {
    await follow(cluster, job, { follow: true, tail: 0 }, context);
  } catch (error) {
    if (!context.signal.aborted) throw error;
    throw new TowError('cancelled', `the log stops here, job ${job.record.number} goes on`, {
      hint: `tow logs ${cluster.name} ${job.record.number} follows it, tow cancel ${cluster.name} ${job.record.number} ends it`,
    });
  }
  return { summary: { ...summary, job: jobSummary(job) }, exitCode: exitCodeOf(job) };

  async function syncOrRelease(job: ReservedJob): Promise<SyncSummary | undefined> {
    try {
      return await syncCluster(cluster, roots, options, context, controller, ahead, via);
    } catch (error) {
      await controller.jobs.release(cluster, job);
      throw error;
    }
  }
}

export async function follow(
  cluster: Cluster,
  job: Job,
  options: { readonly follow: boolean; readonly tail: number },
  context: CommandContext,
): Promise<void> {
  // Through the node, so that an agent that has died is started again for who waits for its output.
  const setupNodes = cluster.nodes
    .filter(({ name }) => job.record.setupNodes.includes(name))
    .map((node) => ({ name: node.name, link: (signal: AbortSignal) => node.link(context, signal) }));
  const runNodes = setupNodes.filter(({ name }) => job.record.nodes.includes(name));
  await followJob({ job, setupNodes, runNodes, ...options, emit: (event) => context.emit(event) }, context.signal);
  context.emit({ type: 'job', cluster: cluster.name, job: String(job.record.number), state: job.record.state });
  if (job.record.note !== undefined) context.emit({ type: 'note', level: 'warning', text: job.record.note });
}

export function jobSummary({ record }: Job): NonNullable<ApiSummary['job']> {
  return { id: String(record.number), state: record.state, exitCodes: record.exitCodes };
}

/** The first failing rank's code; one that was stopped because of another is not the first. Codes of 240 and more are tow's own, so a job's are said as 239. */
export function exitCodeOf({ record }: Job): number {
  if (record.state === 'SUCCEEDED') return 0;
  const failed = record.exitCodes.filter((code) => code !== 0);
  const code = failed.find((one) => one !== 137) ?? failed[0] ?? 1;
  return Math.min(code < 0 ? 1 : code, 239);
}
