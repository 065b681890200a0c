/** All jobs of all clusters: submitted here, run to their end whoever follows, taken up again after a restart. */
import { TowError } from '../../protocol/base/errors.ts';
import type { Link } from '../../protocol/link/link.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import type { NodeInfo } from '../../protocol/wire/node.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ClusterNode } from '../cluster/cluster-node.ts';
import { ClusterQueue, type Turn } from './cluster-queue.ts';
import { Job, type ScriptKind } from './job.ts';
import { type JobRecord, JobRecords } from './job-record.ts';
import { hasScript, type JobNode, persist } from './node-scripts.ts';
import { type JobChange, runJob } from './run-job.ts';

export interface JobSubmission {
  readonly name: string;
  readonly setup: string | undefined;
  readonly run: string | undefined;
  readonly numNodes: number;
  readonly envs: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, string>;
}

/** A job that has a number and a record, but was sent to no node yet. */
export interface ReservedJob {
  readonly record: JobRecord;
  readonly secrets: ReadonlyMap<string, string>;
  /** When the record is on the disk. */
  readonly written: Promise<void>;
}

/** Variables of one script. */
export type EnvOf = (kind: ScriptKind, rank: number, job: JobRecord, nodes: readonly JobNode[]) => [string, string][];

export class Jobs {
  readonly #records: JobRecords;
  readonly #jobs = new Map<string, Job[]>();
  readonly #queues = new Map<string, ClusterQueue>();
  readonly #running = new Set<Promise<void>>();
  /** Of each job the last save that was begun. Never rejects. */
  readonly #saving = new WeakMap<Job, Promise<void>>();
  readonly #forgotten = new WeakSet<Job>();
  readonly #infos = new WeakMap<Link<AgentMethods>, NodeInfo>();
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
          .then((turn) => this.#resume(cluster, job).finally(() => turn.end())),
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

  /**
   * Begins a job's record; the caller has the queue's turn. Done while the nodes are synced, so that the start that
   * follows waits for neither this disk nor an answer of the nodes. A record in state INIT may or may not have been sent:
   * after a crash the nodes say which (`#resume`), so a script that runs is never lost, and none runs in a tree that was
   * not synced.
   */
  reserve(cluster: Cluster, submission: JobSubmission, roots: number): ReservedJob {
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
    const written = this.#records.save(cluster.name, record);
    // Told to whoever submits it.
    written.catch(() => undefined);
    // Sent, not waited for: a node that hears nothing starts the script later, not otherwise.
    const first = submission.setup === undefined ? record.nodes : names;
    for (const { name, session } of cluster.nodes)
      if (first.includes(name))
        session.current?.call('job.expect', { pulls: roots }, {}, this.#life.signal).catch(() => undefined);
    // The nodes' answers are remembered.
    this.jobNodes(cluster, names, this.#life.signal).catch(() => undefined);
    return { record, secrets: submission.secrets, written };
  }

  /** Forgets a job that is not to be run after all. */
  async release(cluster: Cluster, { record, written }: ReservedJob): Promise<void> {
    await written.catch(() => undefined);
    await this.#records.removeOne(cluster.name, record.number);
  }

  /** Runs a job, which is given the turn and ends it. Resolves when it is on its way and the disk has it so: it will run, whatever crashes. */
  async submit(cluster: Cluster, { record, secrets, written }: ReservedJob, turn: Turn): Promise<Job> {
    await written;
    turn.give();
    const job = new Job(record);
    this.#jobs.set(cluster.name, [...this.list(cluster.name), job]);
    const running = this.#run(cluster, job, secrets, false);
    this.#own(running.finally(() => turn.end()));
    await Promise.race([running, job.when((one) => one.record.state !== 'INIT', this.#life.signal)]);
    return job;
  }

  async forget(cluster: string): Promise<void> {
    const jobs = this.list(cluster);
    this.#jobs.delete(cluster);
    for (const job of jobs) {
      // What becomes of it from now on is nobody's, least of all the next cluster's of this name.
      this.#forgotten.add(job);
      job.cancel();
    }
    await Promise.all(jobs.map(async (job) => await this.#saving.get(job)));
    await this.#records.remove(cluster);
  }

  /** The nodes of a job, once each has said its address. */
  async jobNodes(cluster: Cluster, names: readonly string[], signal: AbortSignal): Promise<JobNode[]> {
    return await Promise.all(
      cluster.nodes.filter(({ name }) => names.includes(name)).map((node) => this.#jobNodeOf(node, signal)),
    );
  }

  async #jobNodeOf(node: ClusterNode, signal: AbortSignal): Promise<JobNode> {
    const link: JobNode['link'] = (aborted) => node.returned(aborted);
    const { address, gpus } = await persist({ name: node.name, link }, (now) => this.#infoOf(now, signal), signal);
    return { name: node.name, address, gpus, link };
  }

  /** What a node says of itself, asked once a link. */
  async #infoOf(link: Link<AgentMethods>, signal: AbortSignal): Promise<NodeInfo> {
    const known = this.#infos.get(link);
    if (known !== undefined) return known;
    const info = await link.call('node.info', {}, {}, signal);
    this.#infos.set(link, info);
    return info;
  }

  /** Lets go of all jobs; they go on on their nodes. */
  async dispose(): Promise<void> {
    this.#life.abort();
    await Promise.allSettled(this.#running);
  }

  /** Goes on with a job after a restart of the controller; one that no node has heard of was not sent. */
  async #resume(cluster: Cluster, job: Job): Promise<void> {
    if (job.record.state === 'INIT') {
      const nodes = await this.jobNodes(cluster, job.record.setupNodes, this.#life.signal);
      const { id } = job.record;
      const sent = await Promise.all(nodes.map((node) => hasScript(node, { job: id }, this.#life.signal)));
      if (!sent.includes(true)) {
        await this.#save(cluster, job, {
          state: 'FAILED',
          note: 'the controller ended before the job was sent: it did not run',
        });
        return;
      }
    }
    await this.#run(cluster, job, new Map(), true);
  }

  async #save(cluster: Cluster, job: Job, change: JobChange): Promise<void> {
    if (!this.#forgotten.has(job)) {
      const saved = this.#records.save(cluster.name, { ...job.record, ...change });
      this.#saving.set(
        job,
        saved.catch(() => undefined),
      );
      await saved;
    }
    job.update(change);
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
        save: (change) => this.#save(cluster, job, change),
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
