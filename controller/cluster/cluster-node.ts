/** One node of a living cluster: sees to it that its agent runs, in this build, and has a link. */
import { cancelled, raceSignal } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type { Link } from '../../protocol/link/link.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import type { CommandContext } from '../daemon/context.ts';
import type { NodeState } from './cluster-state.ts';
import { NodeSession } from './node-session.ts';

/** How a node is brought up: local or over ssh. */
export interface NodeCarrier extends AsyncDisposable {
  /** Enrols and starts the agent, whatever was there. */
  create(context: CommandContext, takeOver: boolean): Promise<void>;
  /** Starts the agent if it is not running, or not of this build; anew, if that is the surest. */
  revive(context: CommandContext): Promise<void>;
  /** Starts the agent if none is running, with what the last command that came this way had, without its terminal. */
  wake(signal: AbortSignal): Promise<void>;
  /**
   * Sees to it that these absolute destinations can be the node's own. Returns whether its agent was started again for
   * that; jobs go on.
   */
  reserve(destinations: readonly string[], context: CommandContext): Promise<boolean>;
  /** Stops the agent and takes its enrolment; `purge` also removes what Towline keeps there. */
  remove(context: CommandContext, purge: boolean): Promise<void>;
}

/** How long an agent that was just started may take to dial. */
const dialTimeoutMs = 20_000;
/** After this silence it is started once more: it may have died since, and nothing on the node need bring it back. */
const silenceMs = 8000;
/** Who waits for as long as it takes has it looked after less and less often, down to this. */
const longestSilenceMs = 120_000;
/**
 * An agent that lost its controller just now dials again within this time. One that lost it before tries less and less
 * often: over ssh, reviving wakes it. On this machine it sees that the controller is back, and reviving starts it anew.
 */
const returnTimeoutMs = { ssh: 500, local: 1500 };
/** One that this controller has not seen yet may have tried in vain for hours, and waits ten seconds between two times. */
const unseenTimeoutMs = 100;

export class ClusterNode {
  readonly state: NodeState;
  readonly rank: number;
  readonly session = new NodeSession();
  readonly #carrier: NodeCarrier;
  readonly #agentBuild: string;
  /** Ends with the node's place in its cluster, or the controller. */
  readonly #life = new AbortController();
  #reviving: Promise<void> | undefined;
  /** A start for those who only wait, and what ends it. Never rejects. */
  #waking: { readonly done: Promise<void>; stop(): void } | undefined;

  constructor(state: NodeState, rank: number, carrier: NodeCarrier, agentBuild: string) {
    this.state = state;
    this.rank = rank;
    this.#carrier = carrier;
    this.#agentBuild = agentBuild;
  }

  get name(): string {
    return this.state.name;
  }

  get keyId(): string {
    return this.state.identity.keyId;
  }

  get isLocal(): boolean {
    return this.state.host === undefined;
  }

  get connected(): boolean {
    return this.session.current !== undefined;
  }

  get #patienceMs(): number {
    if (this.isLocal) return returnTimeoutMs.local;
    return this.session.seen ? returnTimeoutMs.ssh : unseenTimeoutMs;
  }

  async create(context: CommandContext, takeOver: boolean): Promise<void> {
    await this.#carrier.create(context, takeOver);
    await this.link(context, context.signal);
  }

  async remove(context: CommandContext, purge: boolean): Promise<void> {
    this.#life.abort(new TowError('cancelled', `${this.name} was taken out of its cluster`));
    // Or it would start an agent after the last one was stopped.
    await this.#stopWaking();
    await this.#carrier.remove(context, purge);
  }

  async dispose(): Promise<void> {
    this.#life.abort(new TowError('cancelled', 'the controller stops'));
    this.session.detach(new TowError('link-lost', 'the controller stops', { retryable: true }));
    await this.#carrier[Symbol.asyncDispose]();
  }

  /** See `NodeCarrier.reserve`. Ends when the agent has dialled again, if it had to be started. */
  async reserve(destinations: readonly string[], context: CommandContext): Promise<void> {
    // What became of that is for whoever asked for it.
    while (this.#reviving !== undefined) await this.#reviving.catch(() => undefined);
    const reserving = this.#stopWaking().then(() => this.#carrier.reserve(destinations, context));
    // Who wants a link meanwhile does not start a second agent.
    this.#reviving = reserving
      .then(() => undefined)
      .finally(() => {
        this.#reviving = undefined;
      });
    await this.#reviving;
    if (!(await reserving)) return;
    this.session.detach(new TowError('link-lost', 'the agent was started again', { retryable: true }));
    await this.session.wait(dialTimeoutMs, context.signal);
    await this.link(context, context.signal);
  }

  /** A link to an agent of this build; starts the agent where that is needed. Rejects with `agent-unreachable` or what starting it says. */
  async link(context: CommandContext, signal: AbortSignal): Promise<Link<AgentMethods>> {
    const first = await this.session.wait(this.#patienceMs, signal);
    if (first !== undefined && first.peer.build === this.#agentBuild) return first;
    this.session.detach(new TowError('link-lost', 'the agent is replaced by this build', { retryable: true }));
    await this.#revive(() => this.#carrier.revive(context));
    const link = await this.#dialled(silenceMs, signal);
    if (link !== undefined) return link;
    await this.#revive(() => this.#carrier.wake(signal));
    const late = await this.#dialled(dialTimeoutMs - silenceMs, signal);
    if (late !== undefined) return late;
    throw new TowError('agent-unreachable', `the agent on ${this.name} did not dial within ${dialTimeoutMs / 1000} s`, {
      hint: 'tow check shows which hop fails',
      retryable: true,
    });
  }

  /**
   * The link, now or whenever it is back, which may take as long as the laptop sleeps. An agent that died has to be
   * started again even if no command asks for it: whoever follows a job would wait for ever. Rejects when `signal` aborts
   * or the node is taken away.
   */
  async returned(signal: AbortSignal): Promise<Link<AgentMethods>> {
    const either = AbortSignal.any([signal, this.#life.signal]);
    for (let patienceMs = silenceMs; ; patienceMs = Math.min(2 * patienceMs, longestSilenceMs)) {
      const link = await this.session.wait(patienceMs, either);
      if (link !== undefined) return link;
      await raceSignal(this.#reviving?.catch(() => undefined) ?? this.#wakeAgain(), either);
    }
  }

  /** Does not reject: why it failed is in the node's state, and the next command's to say. */
  async #wakeAgain(): Promise<void> {
    if (this.#waking === undefined) {
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, this.#life.signal]);
      const waking = this.#carrier.wake(signal).catch(() => undefined);
      const done = waking.finally(() => {
        this.#waking = undefined;
      });
      this.#waking = { done, stop: () => stop.abort(cancelled()) };
    }
    await this.#waking.done;
  }

  /** A command has a terminal, and does not wait for what has none. */
  async #stopWaking(): Promise<void> {
    this.#waking?.stop();
    await this.#waking?.done;
  }

  /** Several commands may want the same node: one of them revives it. */
  async #revive(start: () => Promise<void>): Promise<void> {
    this.#reviving ??= this.#stopWaking()
      .then(start)
      .finally(() => {
        this.#reviving = undefined;
      });
    await this.#reviving;
  }

  /** The link of an agent of this build, if one dials in time. */
  async #dialled(patienceMs: number, signal: AbortSignal): Promise<Link<AgentMethods> | undefined> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const link = await this.session.wait(Math.max(0, deadline - Date.now()), signal);
      if (link === undefined || link.peer.build === this.#agentBuild) return link;
      this.session.detach(new TowError('link-lost', 'the agent is of another build', { retryable: true }));
    }
  }
}
