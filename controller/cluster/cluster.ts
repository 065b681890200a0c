import { randomBytes } from 'node:crypto';
import { TowError } from '../../protocol/base/errors.ts';
import type { CommandContext } from '../daemon/context.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { ClusterState, ClusterStates } from './cluster-state.ts';

/** A living cluster: its state on disk and its nodes. */
export class Cluster {
  readonly #states: ClusterStates;
  readonly nodes: readonly ClusterNode[];
  #state: ClusterState;

  constructor(states: ClusterStates, state: ClusterState, nodes: readonly ClusterNode[]) {
    this.#states = states;
    this.#state = state;
    this.nodes = nodes;
  }

  get state(): ClusterState {
    return this.#state;
  }

  get name(): string {
    return this.#state.name;
  }

  async update(change: Partial<Pick<ClusterState, 'workdir' | 'nodes'>>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    await this.#states.save(this.#state);
  }

  /** Whether it can serve a launch that asks for this infra and number of nodes; says how it differs if not. */
  checkFits(infra: string | undefined, numNodes: number | undefined): void {
    const { name, infra: has, nodes } = this.#state;
    const hint = `use another cluster name, or tow down ${name} first`;
    if (infra !== undefined && infra !== has)
      throw new TowError('infra-mismatch', `cluster ${name} is on ${has}, not on ${infra}`, { hint });
    if (numNodes !== undefined && numNodes > nodes.length) {
      throw new TowError(
        'infra-mismatch',
        `cluster ${name} has ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}, ${numNodes} are asked for`,
        { hint },
      );
    }
  }

  /** Takes every node's enrolment. A node that cannot be reached is named in a warning: its secret is void all the same. */
  async remove(context: CommandContext, purge: boolean): Promise<void> {
    await Promise.all(
      this.nodes.map(async (node) => {
        try {
          await node.remove(context, purge);
        } catch (error) {
          if (context.signal.aborted) throw error;
          const why = error instanceof Error ? error.message : String(error);
          context.emit({
            type: 'note',
            level: 'warning',
            text: `${node.name}: its agent could not be told to stop (${why}); it is not accepted any more`,
          });
        }
      }),
    );
    await this.#states.remove(this.name);
  }
}

export function newKey(): { readonly keyId: string; readonly secret: string } {
  return { keyId: randomBytes(16).toString('hex'), secret: randomBytes(32).toString('hex') };
}
