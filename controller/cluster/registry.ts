/** The living clusters: loaded when the daemon starts, made by `launch`, removed by `down`. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import type { Link } from '../../protocol/link/link.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import type { CommandContext } from '../daemon/context.ts';
import { Cluster, newKey } from './cluster.ts';
import { ClusterNode } from './cluster-node.ts';
import { type ClusterState, ClusterStates, type NodeState } from './cluster-state.ts';
import type { ControllerIdentity } from './controller-identity.ts';
import { linkSocketPath } from './link-listener.ts';
import { localCarrier } from './local/local-carrier.ts';
import { hostInUse, sshCarrier } from './ssh/ssh-carrier.ts';
import type { SshHost } from './ssh/ssh-host.ts';

export interface RegistryOptions {
  /** `~/.towline`. */
  readonly base: string;
  /** Directory of `agent.mjs` and `koffi.node`, and the agent's build. */
  readonly dist: string;
  readonly agentBuild: string;
  readonly identity: ControllerIdentity;
  readonly log: (line: string) => void;
}

export interface NewCluster {
  readonly name: string;
  readonly infra: string;
  readonly numNodes: number;
  /** Hosts of the pool, for ssh infra. */
  readonly hosts: readonly SshHost[];
  readonly takeOver: boolean;
}

export class Registry {
  readonly #options: RegistryOptions;
  readonly #states: ClusterStates;
  readonly #clusters = new Map<string, Cluster>();
  readonly #nodes = new Map<string, ClusterNode>();

  private constructor(options: RegistryOptions) {
    this.#options = options;
    this.#states = new ClusterStates(join(options.base, 'controller', 'clusters'));
  }

  static async load(options: RegistryOptions): Promise<Registry> {
    const registry = new Registry(options);
    for (const state of await registry.#states.loadAll()) registry.#adopt(state);
    return registry;
  }

  get clusters(): readonly Cluster[] {
    return [...this.#clusters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): Cluster | undefined {
    return this.#clusters.get(name);
  }

  get(name: string): Cluster {
    const cluster = this.#clusters.get(name);
    if (cluster !== undefined) return cluster;
    const known = this.clusters.map((one) => one.name).join(', ');
    throw new TowError('unknown-cluster', `there is no cluster ${name}${known === '' ? '' : ` (there is ${known})`}`, {
      hint: `tow launch -c ${name} … makes it`,
    });
  }

  secretOf(keyId: string): Uint8Array | undefined {
    const secret = this.#nodes.get(keyId)?.state.identity.secret;
    return secret === undefined ? undefined : Buffer.from(secret, 'hex');
  }

  onLink(link: Link<AgentMethods>): void {
    const node = this.#nodes.get(link.peer.keyId);
    if (node === undefined) link.close(new TowError('unauthenticated', 'this node was taken out of its cluster'));
    else node.session.attach(link);
  }

  /** The cluster that has a host of a pool. */
  clusterOfHost(host: SshHost): string | undefined {
    return this.clusters.find(({ state }) =>
      state.nodes.some(
        (node) => node.host?.host === host.host && node.host.user === host.user && node.host.port === host.port,
      ),
    )?.name;
  }

  /** Makes a cluster; all of it or none. */
  async create(wanted: NewCluster, context: CommandContext): Promise<Cluster> {
    const { name, infra, numNodes } = wanted;
    const hosts = infra === 'local' ? [] : this.#freeHosts(wanted);
    const nodes: NodeState[] = Array.from({ length: numNodes }, (_, rank) => this.#newNode(name, rank, hosts[rank]));
    const state: ClusterState = {
      version: 1,
      id: randomBytes(6).toString('hex'),
      name,
      infra,
      nodes,
      createdAt: Date.now(),
    };
    // On disk first: after a crash the secrets of nodes that were enrolled are known.
    await this.#states.save(state);
    const cluster = this.#adopt(state);
    const made = await Promise.allSettled(cluster.nodes.map((node) => node.create(context, wanted.takeOver)));
    const failed = made.findIndex(({ status }) => status === 'rejected');
    if (failed < 0) return cluster;
    const outcome = made[failed];
    await this.#undo(cluster, made, context);
    if (outcome?.status === 'rejected') throw onHost(outcome.reason, cluster.nodes[failed]);
    return cluster;
  }

  async remove(cluster: Cluster, context: CommandContext, purge: boolean): Promise<void> {
    // Taken off first, so that no agent gets a new link.
    this.#forget(cluster);
    await cluster.remove(context, purge);
    await rm(join(this.#options.base, 'local', cluster.name), { recursive: true, force: true });
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => node.dispose()));
  }

  async #undo(cluster: Cluster, made: readonly PromiseSettledResult<void>[], context: CommandContext): Promise<void> {
    this.#forget(cluster);
    // Not with the request's signal, which may be what ended it.
    const quiet: CommandContext = { ...context, signal: AbortSignal.timeout(20_000), login: undefined };
    await Promise.allSettled(
      cluster.nodes.map((node, at) =>
        made[at]?.status === 'fulfilled' || node.isLocal ? node.remove(quiet, false) : node.dispose(),
      ),
    );
    await this.#states.remove(cluster.name);
    await rm(join(this.#options.base, 'local', cluster.name), { recursive: true, force: true });
  }

  #forget(cluster: Cluster): void {
    this.#clusters.delete(cluster.name);
    for (const node of cluster.nodes) {
      this.#nodes.delete(node.keyId);
      node.session.detach(new TowError('unauthenticated', 'this node was taken out of its cluster'));
    }
  }

  #freeHosts({ infra, numNodes, hosts }: NewCluster): readonly SshHost[] {
    if (numNodes > hosts.length) {
      throw new TowError(
        'infra-mismatch',
        `${infra} has ${hosts.length} ${hosts.length === 1 ? 'host' : 'hosts'}, ${numNodes} are asked for`,
        { hint: 'tow pool add adds hosts' },
      );
    }
    const free = hosts.filter((host) => this.clusterOfHost(host) === undefined);
    const taken = hosts.find((host) => this.clusterOfHost(host) !== undefined);
    if (free.length < numNodes && taken !== undefined) throw hostInUse(taken.host, this.clusterOfHost(taken) ?? '');
    return free;
  }

  #newNode(cluster: string, rank: number, host: SshHost | undefined): NodeState {
    const node = rank === 0 ? 'head' : `worker${rank}`;
    const { base, identity } = this.#options;
    const common = { ...newKey(), controller: identity, cluster, node };
    if (host !== undefined) return { name: node, identity: { ...common, link: { kind: 'run-dir' } }, host };
    const path = linkSocketPath(join(base, 'controller'));
    return {
      name: node,
      identity: { ...common, machine: `${cluster}/${node}`, link: { kind: 'unix', path } },
      local: { home: join(base, 'local', cluster, node) },
    };
  }

  #adopt(state: ClusterState): Cluster {
    const { base, dist, agentBuild, log } = this.#options;
    const nodes = state.nodes.map((node, rank) => {
      const { host, identity, local } = node;
      const carrier =
        host === undefined
          ? localCarrier(node, local?.home ?? '', join(dist, 'agent.mjs'), (privateRoot) =>
              log(`${state.name}/${node.name}: private root directory: ${privateRoot}`),
            )
          : sshCarrier({
              host: definedHost(host),
              identity,
              dist,
              build: agentBuild,
              linkSocket: linkSocketPath(join(base, 'controller')),
              stateDir: join(base, 'controller', 'ssh'),
              cacheDir: join(base, 'cache'),
              log,
            });
      return new ClusterNode(node, rank, carrier, agentBuild);
    });
    const cluster = new Cluster(this.#states, state, nodes);
    this.#clusters.set(state.name, cluster);
    for (const node of nodes) this.#nodes.set(node.keyId, node);
    return cluster;
  }
}

/** A host as it was saved, without the fields that are absent. */
function definedHost({ pool, host, user, identityFile, port }: NonNullable<NodeState['host']>): SshHost {
  return {
    pool,
    host,
    ...(user === undefined ? {} : { user }),
    ...(identityFile === undefined ? {} : { identityFile }),
    ...(port === undefined ? {} : { port }),
  };
}

function onHost(error: unknown, node: ClusterNode | undefined): unknown {
  if (!(error instanceof TowError) || node === undefined || error.code === 'cancelled') return error;
  return new TowError(error.code, `${node.name}: ${error.message}`, {
    cause: error.cause,
    retryable: error.retryable,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
