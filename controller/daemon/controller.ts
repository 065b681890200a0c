/** What the daemon has for as long as it lives, and what commands work with. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkerPool } from '../../protocol/base/worker-pool.ts';
import type { SourceTasks } from '../../protocol/pull/source/tasks.ts';
import { BucketGrants } from '../buckets/local/bucket-grants.ts';
import { LocalBuckets } from '../buckets/local/local-buckets.ts';
import { Storages } from '../buckets/storage/storages.ts';
import { controllerIdentity } from '../cluster/controller-identity.ts';
import { listenForAgents } from '../cluster/link-listener.ts';
import { Registry } from '../cluster/registry.ts';
import { Jobs } from '../jobs/jobs.ts';
import { BucketOffers } from '../sync/bucket-offers.ts';
import { HeldRoots } from '../sync/held-roots.ts';
import { SnapshotOffers } from '../sync/snapshot-offers.ts';
import { SourceStore } from '../sync/source-store.ts';
import { jobEnv } from '../task/job-env.ts';

export interface ControllerOptions {
  /** Home of the user. */
  readonly home: string;
  /** Directory of the bundles; the daemon's own is also that of its worker threads. */
  readonly dist: string;
  readonly script: string;
  readonly agentBuild: string;
  readonly build: string;
  /** Threads that read sources; closed with the controller. */
  readonly pool: WorkerPool<SourceTasks>;
  readonly log: (line: string) => void;
}

export class Controller implements AsyncDisposable {
  readonly home: string;
  readonly registry: Registry;
  readonly jobs: Jobs;
  readonly sources: SourceStore;
  readonly offers: SnapshotOffers;
  readonly bucketOffers: BucketOffers;
  readonly storages: Storages;
  /** Bundle that this daemon's threads run. */
  readonly script: string;
  /** What is remembered of the places that chunks were published to. */
  readonly viaDirectory: string;
  readonly buckets: LocalBuckets;
  readonly grants: BucketGrants;
  readonly held = new HeldRoots();
  readonly #listener: AsyncDisposable;
  readonly #life: AbortController;

  private constructor(parts: {
    home: string;
    registry: Registry;
    jobs: Jobs;
    sources: SourceStore;
    offers: SnapshotOffers;
    bucketOffers: BucketOffers;
    storages: Storages;
    script: string;
    viaDirectory: string;
    buckets: LocalBuckets;
    grants: BucketGrants;
    listener: AsyncDisposable;
    life: AbortController;
  }) {
    this.home = parts.home;
    this.registry = parts.registry;
    this.jobs = parts.jobs;
    this.sources = parts.sources;
    this.offers = parts.offers;
    this.buckets = parts.buckets;
    this.bucketOffers = parts.bucketOffers;
    this.storages = parts.storages;
    this.script = parts.script;
    this.viaDirectory = parts.viaDirectory;
    this.grants = parts.grants;
    this.#listener = parts.listener;
    this.#life = parts.life;
  }

  static async open(options: ControllerOptions): Promise<Controller> {
    const { home, dist, script, agentBuild, build, log } = options;
    const base = join(home, '.towline');
    const directory = join(base, 'controller');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const registry = await Registry.load({
      base,
      dist,
      agentBuild,
      identity: await controllerIdentity(directory),
      log,
    });
    const offers = new SnapshotOffers();
    const bucketOffers = new BucketOffers();
    const buckets = await LocalBuckets.open({ directory: join(base, 'buckets'), log });
    const grants = new BucketGrants(buckets);
    const sources = new SourceStore({
      pool: options.pool,
      directory: join(directory, 'index'),
    });
    const storages = new Storages({ directory: join(directory, 'storages'), script, local: buckets });
    const life = new AbortController();
    const listener = await listenForAgents(
      {
        directory,
        build,
        secretOf: (keyId) => registry.secretOf(keyId),
        handlersFor: (keyId) => ({
          ...offers.handlersFor(keyId),
          ...bucketOffers.handlersFor(keyId),
          ...grants.handlersFor(keyId),
        }),
        onLink: (link) => registry.onLink(link),
        log,
      },
      life.signal,
    );
    const jobs = new Jobs({
      directory: join(directory, 'jobs'),
      log,
      envOf: (kind, rank, record, nodes) => {
        const cluster = registry.clusters.find(({ state }) => record.id.startsWith(`${state.id}-`));
        return jobEnv({
          kind,
          rank,
          nodes,
          numNodes: kind === 'setup' ? record.setupNodes.length : record.nodes.length,
          cluster: cluster?.name ?? '',
          infra: cluster?.state.infra ?? '',
          jobNumber: record.number,
          submittedAt: record.submittedAt,
        });
      },
    });
    for (const cluster of registry.clusters) await jobs.load(cluster);
    return new Controller({
      home,
      registry,
      jobs,
      sources,
      offers,
      bucketOffers,
      storages,
      script,
      viaDirectory: join(directory, 'via'),
      buckets,
      grants,
      listener,
      life,
    });
  }

  /** Nodes and their jobs go on; links and sources are let go. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
    await this.jobs.dispose();
    await this.registry.dispose();
    await this.#listener[Symbol.asyncDispose]();
    await this.sources[Symbol.asyncDispose]();
    await this.buckets[Symbol.asyncDispose]();
  }
}
