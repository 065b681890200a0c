import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cancelled, raceSignal } from '../../../protocol/base/abort.ts';
import { type Clock, systemClock } from '../../../protocol/base/clock.ts';
import { type ErrorCode, type TowError, toTowError } from '../../../protocol/base/errors.ts';
import type { NodeIdentity, Supervision } from '../../../protocol/wire/enrol.ts';
import { type ControlMaster, openControlMaster } from './control-master.ts';
import { enrolNode, leaveNode, startNode } from './enrol-node.ts';
import { installBuild } from './install.ts';
import { displayHost, type SshHost } from './ssh-host.ts';
import { openBridge, openForward, type Tunnel, type TunnelTarget } from './tunnel.ts';

/**
 * A node reached through the system's ssh: one authenticated connection, and over it a way for the agent's link. Both
 * are made again when they break, until the node is disposed of. That the way is there does not mean that the agent has
 * dialled: the link arrives at the controller's own socket.
 */

export type SshNodeState =
  | 'connected'
  /** Being made again, with growing pauses. */
  | 'reconnecting'
  /** ssh wants something only a person can give: `reconnect` with a terminal. */
  | 'needs-login'
  /** Trying again by itself would be of no use: another controller has the account, or the host is another machine. */
  | 'refused';

export interface SshNodeOptions {
  readonly host: SshHost;
  readonly identity: NodeIdentity;
  /** Directory with `agent.mjs` and `koffi.node`, and the build they are. */
  readonly dist: string;
  readonly build: string;
  /** The socket on which the controller's link listener accepts agents. */
  readonly linkSocket: string;
  /** Where control sockets lie (0700): `~/.towline/controller/ssh`. */
  readonly stateDir: string;
  readonly cacheDir: string;
  /** Of the request; replaced by `reconnect`. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs an ssh command line on the CLI's terminal and returns its exit code; undefined when there is none. */
  readonly login: ((argv: readonly string[]) => Promise<number>) | undefined;
  readonly takeOver: boolean;
  readonly onState: (state: SshNodeState, failure: TowError | undefined) => void;
  /** Something the user should know that stops nothing. */
  readonly onNote: (text: string) => void;
  readonly clock?: Clock;
}

export type SshLogin = Pick<SshNodeOptions, 'env' | 'login' | 'takeOver'>;

/** What is known of a node after its first enrolment in this controller's life. */
interface Enrolled {
  readonly home: string;
  readonly node: string;
  readonly machine: string;
  readonly supervision: Supervision;
}

const firstPauseMs = 1000;
const longestPauseMs = 30_000;
/** A way that lived shorter than this was no success: the pauses go on growing. */
const steadyMs = 10_000;

/**
 * Logs in, installs what is missing, enrols the node, starts its agent and opens the way for its link. Fails with
 * `host-unreachable`, `host-key-refused`, `login-refused`, `login-needs-terminal`, `node-unsupported`, `node-taken`,
 * `node-in-use`, `no-space`, `no-inodes`, `agent-unreachable`; leaves no connection behind then.
 */
export async function connectSshNode(options: SshNodeOptions, signal: AbortSignal): Promise<SshNode> {
  const node = new SshNode(options);
  try {
    await node.reconnect(options, signal);
  } catch (error) {
    await node[Symbol.asyncDispose]();
    throw error;
  }
  return node;
}

/** Use `connectSshNode`, or `new` for a node that is known from before and may be away; then `reconnect`. */
export class SshNode implements AsyncDisposable {
  readonly #options: SshNodeOptions;
  readonly #clock: Clock;
  readonly #life = new AbortController();
  #login: SshLogin;
  #state: SshNodeState = 'reconnecting';
  #failure: TowError | undefined;
  #master: ControlMaster | undefined;
  #tunnel: Tunnel | undefined;
  #forwardRefused = false;
  #enrolled: Enrolled | undefined;
  /** Attempts come one after another: the last one under way, or done. Never rejects. */
  #attempts: Promise<void> = Promise.resolve();
  /** Ends the pause of the loop. */
  #wake = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: SshNodeOptions) {
    this.#options = options;
    this.#login = options;
    this.#clock = options.clock ?? systemClock;
  }

  get state(): SshNodeState {
    return this.#state;
  }

  /** Why it is not connected, after the first failed attempt. */
  get failure(): TowError | undefined {
    return this.#failure;
  }

  /** How links travel; undefined while there is no way. */
  get tunnel(): Tunnel['kind'] | undefined {
    return this.#tunnel?.kind;
  }

  /** What starts the agent again on the node; undefined before it was enrolled. */
  get supervision(): Supervision | undefined {
    return this.#enrolled?.supervision;
  }

  /**
   * Makes the connection now, or starts the agent again where it is there and the agent is not, with a request's environment and terminal, which later attempts of the
   * node's own use too (without the terminal). Fails as `connectSshNode` does; the node then goes on by itself where that
   * may help.
   */
  async reconnect(login: SshLogin, signal: AbortSignal): Promise<void> {
    this.#login = login;
    const either = AbortSignal.any([signal, this.#life.signal]);
    try {
      await raceSignal(this.#attempt(login, either, true), either);
      this.#wake.abort();
    } finally {
      this.#loop ??= this.#keep();
    }
  }

  /**
   * Starts the agent again where the connection is there and the agent is not. Without a connection, the node is making
   * one by itself, or waits for a person; then this does nothing. Fails as `connectSshNode` does.
   */
  async wake(signal: AbortSignal): Promise<void> {
    if (this.#state !== 'connected') return;
    const either = AbortSignal.any([signal, this.#life.signal]);
    await raceSignal(this.#attempt(this.#ownLogin, either, true), either);
  }

  /** Ends connection, sessions and forwardings. The agent stays on the node and goes on with its jobs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(cancelled());
    await this.#attempts;
    await this.#loop;
    this.#tunnel?.close();
    await this.#master?.end();
  }

  async #attempt(login: SshLogin, signal: AbortSignal, startsAgent: boolean): Promise<void> {
    const before = this.#attempts;
    const attempt = (async () => {
      await before;
      if (startsAgent && (await this.#restartAgent(login, signal))) return;
      await this.#connectUnlessConnected(login, signal);
    })();
    this.#attempts = attempt.catch(() => undefined);
    await attempt;
  }

  /** Over the connection that is there. An agent that was killed, or died, leaves it as it is. */
  async #restartAgent(login: SshLogin, signal: AbortSignal): Promise<boolean> {
    if (this.#state !== 'connected' || this.#master === undefined || this.#enrolled === undefined) return false;
    const { identity, build } = this.#options;
    if (!login.takeOver && (await startNode(this.#master, { ...this.#enrolled, build, keyId: identity.keyId }, signal)))
      return true;
    // The connection is of no use, or the node has another identity by now.
    this.#setState('reconnecting', undefined);
    return false;
  }

  async #connectUnlessConnected(login: SshLogin, signal: AbortSignal): Promise<void> {
    if (this.#state === 'connected') return;
    try {
      await this.#connect(login, signal);
      this.#setState('connected', undefined);
    } catch (error) {
      const failure = toTowError(error, `connecting to ${displayHost(this.#options.host)}`);
      if (failure.code !== 'cancelled') this.#setState(stateAfter(failure.code), failure);
      throw failure;
    }
  }

  async #connect(login: SshLogin, signal: AbortSignal): Promise<void> {
    const { host, stateDir } = this.#options;
    this.#tunnel?.close();
    this.#tunnel = undefined;
    const socket = join(stateDir, socketName(this.#options.identity.keyId));
    const master = await openControlMaster({ host, socket, env: login.env, login: login.login }, signal);
    if (master.fresh) this.#forwardRefused = false;
    this.#master = master;
    const enrolled = await this.#start(master, login, signal);
    this.#tunnel = await this.#openTunnel(master, enrolled, signal);
  }

  /** Sees to it that the agent runs, as the build of this controller and with the identity it gave. */
  async #start(master: ControlMaster, login: SshLogin, signal: AbortSignal): Promise<Enrolled> {
    const { identity, dist, build, cacheDir, onNote } = this.#options;
    const known = this.#enrolled;
    if (known !== undefined && !login.takeOver) {
      if (await startNode(master, { ...known, build, keyId: identity.keyId }, signal)) return known;
    }
    const host = displayHost(this.#options.host);
    const installed = await installBuild(master, { host, dist, build, cacheDir, env: login.env, onNote }, signal);
    const request = { type: 'enrol', identity, takeOver: login.takeOver, supervise: true } as const;
    const { machine, supervision, note } = await enrolNode(master, host, { ...installed, build }, request, signal);
    if (supervision === 'none') onNote(`${host}: after a reboot the agent starts at the next tow command (${note})`);
    this.#enrolled = { home: installed.home, node: installed.node, machine, supervision };
    return this.#enrolled;
  }

  async #openTunnel(master: ControlMaster, enrolled: Enrolled, signal: AbortSignal): Promise<Tunnel> {
    const { build, linkSocket } = this.#options;
    const target: TunnelTarget = { ...enrolled, host: displayHost(this.#options.host), build, linkSocket };
    const forward = this.#forwardRefused ? undefined : await openForward(master, target, signal);
    this.#forwardRefused = forward === undefined;
    return forward ?? (await openBridge(master, target, signal));
  }

  /** What the node has without a request. */
  get #ownLogin(): SshLogin {
    return { ...this.#login, login: undefined, takeOver: false };
  }

  #setState(state: SshNodeState, failure: TowError | undefined): void {
    this.#failure = failure;
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState(state, failure);
  }

  /** Makes the way again whenever it breaks. Ends, without an error, with the node's life. */
  async #keep(): Promise<void> {
    const life = this.#life.signal;
    let pauseMs = firstPauseMs;
    while (!life.aborted) {
      const since = this.#clock.now();
      if (this.#state === 'connected') {
        await raceSignal(this.#tunnel?.gone ?? Promise.resolve(), life).catch(() => undefined);
        if (life.aborted) return;
        this.#setState('reconnecting', undefined);
        if (this.#clock.now() - since >= steadyMs) pauseMs = firstPauseMs;
      }
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      // The attempt's failure is the node's state by now.
      await this.#attempt(this.#ownLogin, life, false).catch(() => undefined);
    }
  }

  /** Waits, with jitter; while only a person can help, until `reconnect` has. */
  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    const signal = AbortSignal.any([this.#life.signal, this.#wake.signal]);
    if (this.#state === 'needs-login' || this.#state === 'refused') {
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
      return;
    }
    await this.#clock.sleep(ms * (0.5 + Math.random() / 2), signal).catch(() => undefined);
  }
}

const onlyAPersonHelps: readonly ErrorCode[] = ['login-needs-terminal', 'login-refused', 'host-key-refused'];
const noUseInTrying: readonly ErrorCode[] = ['node-taken', 'node-in-use', 'node-unsupported'];

function stateAfter(code: ErrorCode): SshNodeState {
  if (onlyAPersonHelps.includes(code)) return 'needs-login';
  return noUseInTrying.includes(code) ? 'refused' : 'reconnecting';
}

/** Short, since sockets' paths are, and of this enrolment alone. */
function socketName(keyId: string): string {
  return createHash('sha256').update(keyId).digest('hex').slice(0, 8);
}

export interface UninstallOptions extends Pick<SshNodeOptions, 'host' | 'stateDir' | 'env' | 'login'> {
  readonly keyId: string;
  /** Also remove builds, state and kept versions (never a root's contents). */
  readonly purge: boolean;
}

/**
 * Ends an enrolment: stops the agent, removes identity and supervision on the node, and the connection here. True if the
 * node still had this enrolment. Fails as the login does; the node then still has an identity, which the controller no
 * longer accepts.
 */
export async function uninstallSshNode(options: UninstallOptions, signal: AbortSignal): Promise<boolean> {
  const { host, keyId, purge } = options;
  const socket = join(options.stateDir, socketName(keyId));
  const master = await openControlMaster({ ...options, socket }, signal);
  try {
    return await leaveNode(master, displayHost(host), { type: 'leave', keyId, purge }, signal);
  } finally {
    await master.end();
  }
}
