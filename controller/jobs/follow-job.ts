/** Streams a job's output to a follower, line by line, from the nodes: any number may follow, from any time on. */
import { TowError } from '../../protocol/base/errors.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { ApiEvent } from '../api/event.ts';
import type { Job, ScriptKind } from './job.ts';
import { LineCutter } from './line-cutter.ts';
import { type JobNode, persist } from './node-scripts.ts';

/** What a follower needs of a node. */
type LogNode = Pick<JobNode, 'name' | 'link'>;

export interface FollowOptions {
  readonly job: Job;
  readonly setupNodes: readonly LogNode[];
  readonly runNodes: readonly LogNode[];
  /** Go on until the job has ended. */
  readonly follow: boolean;
  /** Only the last so many lines of run (of setup, if run has not begun); 0 for all. */
  readonly tail: number;
  readonly emit: (event: ApiEvent) => void;
}

/** Resolves when everything was sent (and the job has ended, if `follow`). Rejects when `signal` aborts. */
export async function followJob(options: FollowOptions, signal: AbortSignal): Promise<void> {
  for (const kind of ['setup', 'run'] as const) {
    const nodes = kind === 'setup' ? options.setupNodes : options.runNodes;
    if (options.job.record[kind] === undefined) continue;
    if (options.follow) await options.job.when((job) => job.ended || job.hasStarted(kind), signal);
    const group = new TaskGroup(signal);
    nodes.forEach((node, rank) => group.run((inner) => followScript(options, kind, node, rank, inner)));
    await group.wait();
  }
  if (options.follow) await options.job.when((job) => job.ended, signal);
}

async function followScript(
  options: FollowOptions,
  kind: ScriptKind,
  node: LogNode,
  rank: number,
  signal: AbortSignal,
): Promise<void> {
  const { job, emit } = options;
  let pid = 0;
  const lines = new LineCutter((text) =>
    emit({ type: 'output', node: node.name, rank, prefix: prefixOf(node.name, kind, rank, pid), text }),
  );
  let offset = 0;
  const onData = (bytes: Buffer): void => {
    offset += bytes.length;
    lines.push(bytes);
  };
  try {
    await persist(
      node,
      async (link) => {
        pid =
          job.pidOf(kind, rank) ??
          (await link.call('job.state', { job: job.record.id, kind, wait: false }, {}, signal)).pid;
        const tail = offset === 0 ? options.tail : 0;
        await link.call(
          'job.log',
          { job: job.record.id, kind, offset, tail, follow: options.follow },
          { onData },
          signal,
        );
      },
      signal,
    );
  } catch (error) {
    // Never started there, or pruned since.
    if (!(error instanceof TowError) || error.code !== 'unknown-job') throw error;
  }
  lines.end();
}

function prefixOf(node: string, kind: ScriptKind, rank: number, pid: number): string {
  return kind === 'setup' ? `(${node}, setup, pid=${pid})` : `(${node}, rank=${rank}, pid=${pid})`;
}
