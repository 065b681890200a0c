/** All jobs of all clusters: submitted here, run to their end whoever follows, taken up again after a restart. */
import { TowError } from '../../protocol/base/errors.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ClusterNode } from '../cluster/cluster-node.ts';
import { ClusterQueue, type Turn } from './cluster-queue.ts';
import { Job, type ScriptKind } from './job.ts';
import { type JobRecord, JobRecords } from './job-record.ts';
import { type JobNode, persist } from './node-scripts.ts';
import { runJob } from './run-job.ts';

export interface JobSubmission {
  readonly name: string;
  readonly setup: string | undefined;
  readonly run: string | undefined;
  readonly numNodes: number;
  readonly envs: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, string>;
}

/** Variables of one script. */
export type EnvOf = (kind: ScriptKind, rank: number, job: JobRecord, nodes: readonly JobNode[]) => [string, string][];

/** A link that a job waits for may be away for as long as the laptop sleeps. */
const dayMs = 24 * 3600 * 1000;

export class Jobs {
  readonly #records: JobRecords;
  readonly #jobs = new Map<string, Job[]>();
  readonly #queues = new Map<string, ClusterQueue>();
  readonly #running = new Set<Promise<void>>();
  readonly #life = new AbortController();
  readonly #envOf: EnvOf;
  readonly #log: (line: string) => void;

  constructor(options: { readonly directory: string; readonly envOf: EnvOf; log(line: string): void }) {
    this.#records = new JobRecords(options.directory);
    this.#envOf = options.envOf;
    this.#log = (line) => options.log(line);
  }

  queue(cluster: string): ClusterQueue {
    const known = this.#queues.get(cluster);
    if (known !== undefined) return known;
    const queue = new ClusterQueue();
    this.#queues.set(cluster, queue);
    return queue;
  }

  /** Reads a cluster's jobs and goes on with the one that had not ended. */
  async load(cluster: Cluster): Promise<void> {
    const jobs = (await this.#records.load(cluster.name)).map((record) => new Job(record));
    this.#jobs.set(cluster.name, jobs);
    for (const job of jobs.filter(({ ended }) => !ended)) {
      this.#own(
        this.queue(cluster.name)
          .turn(this.#life.signal)
          .then((turn) => this.#run(cluster, job, new Map(), true).finally(() => turn.end())),
      );
    }
  }

  list(cluster: string): readonly Job[] {
    return this.#jobs.get(cluster) ?? [];
  }

  find(cluster: string, number: string | undefined): Job {
    const jobs = this.list(cluster);
    const job = number === undefined ? jobs.at(-1) : jobs.find(({ record }) => String(record.number) === number);
    if (job !== undefined) return job;
    if (number === undefined)
      throw new TowError('unknown-job', `cluster ${cluster} has had no job yet`, {
        hint: `tow exec ${cluster} 'cmd' runs one`,
      });
    throw new TowError('unknown-job', `cluster ${cluster} has no job ${number}`, {
      hint: 'tow status shows the last one',
    });
  }

  /** Runs a job; the caller has the queue's turn, which is given to the job and ends with it. */
  async submit(cluster: Cluster, submission: JobSubmission, turn: Turn): Promise<Job> {
    const number = (this.list(cluster.name).at(-1)?.record.number ?? 0) + 1;
    const names = cluster.nodes.map(({ name }) => name);
    const record: JobRecord = {
      version: 1,
      number,
      id: `${cluster.state.id}-${number}`,
      name: submission.name,
      state: 'INIT',
      nodes: names.slice(0, submission.numNodes),
      setupNodes: names,
      ...(submission.setup === undefined ? {} : { setup: submission.setup }),
      ...(submission.run === undefined ? {} : { run: submission.run }),
      envs: [...submission.envs],
      hasSecrets: submission.secrets.size > 0,
      submittedAt: Date.now(),
      exitCodes: [],
    };
    await this.#records.save(cluster.name, record);
    turn.give();
    const job = new Job(record);
    this.#jobs.set(cluster.name, [...this.list(cluster.name), job]);
    this.#own(this.#run(cluster, job, submission.secrets, false).finally(() => turn.end()));
    return job;
  }

  async forget(cluster: string): Promise<void> {
    for (const job of this.list(cluster)) job.cancel();
    this.#jobs.delete(cluster);
    await this.#records.remove(cluster);
  }

  /** The nodes of a job, once each has said its address. */
  async jobNodes(cluster: Cluster, names: readonly string[], signal: AbortSignal): Promise<JobNode[]> {
    return await Promise.all(
      cluster.nodes.filter(({ name }) => names.includes(name)).map((node) => jobNodeOf(node, signal)),
    );
  }

  /** Lets go of all jobs; they go on on their nodes. */
  async dispose(): Promise<void> {
    this.#life.abort();
    await Promise.allSettled(this.#running);
  }

  async #run(cluster: Cluster, job: Job, secrets: ReadonlyMap<string, string>, resumed: boolean): Promise<void> {
    const setupNodes = await this.jobNodes(cluster, job.record.setupNodes, this.#life.signal);
    const runNodes = setupNodes.filter(({ name }) => job.record.nodes.includes(name));
    await runJob(
      {
        job,
        setupNodes,
        runNodes,
        script: (kind, rank) => {
          const text = job.record[kind];
          if (text === undefined || (resumed && job.record.hasSecrets)) return undefined;
          const nodes = kind === 'setup' ? setupNodes : runNodes;
          return { text, env: [...job.record.envs, ...secrets, ...this.#envOf(kind, rank, job.record, nodes)] };
        },
        save: async (change) => {
          await this.#records.save(cluster.name, { ...job.record, ...change });
          job.update(change);
        },
      },
      this.#life.signal,
    );
  }

  #own(task: Promise<void>): void {
    const owned = task
      .catch((error: unknown) => {
        if (!this.#life.signal.aborted)
          this.#log(
            `a job failed in the controller: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          );
      })
      .finally(() => this.#running.delete(owned));
    this.#running.add(owned);
  }
}

async function jobNodeOf(node: ClusterNode, signal: AbortSignal): Promise<JobNode> {
  const link = waitingLink(node);
  const { address, gpus } = await persist(
    { name: node.name, link },
    (now) => now.call('node.info', {}, {}, signal),
    signal,
  );
  return { name: node.name, address, gpus, link };
}

function waitingLink(node: ClusterNode): JobNode['link'] {
  return async (signal) => {
    for (;;) {
      const link = await node.session.wait(dayMs, signal);
      if (link !== undefined) return link;
    }
  };
}
