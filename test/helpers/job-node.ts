/** A node as jobs see it: the agent's own handlers in this process, runners and scripts of their own, over a real link that can be cut. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobHandlers } from '../../agent/jobs/handlers.ts';
import { Runners } from '../../agent/jobs/runners.ts';
import { type AgentPaths, agentPaths, machineKey } from '../../agent/paths.ts';
import { storeHandlers } from '../../controller/buckets/local/store-handlers.ts';
import type { JobNode } from '../../controller/jobs/node-scripts.ts';
import { SnapshotOffers } from '../../controller/sync/snapshot-offers.ts';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';
import type { Link } from '../../protocol/link/link.ts';
import { acceptLink, openLink } from '../../protocol/link/open-link.ts';
import { RootGate } from '../../protocol/pull/replica/root-gate.ts';
import { type AgentMethods, agentMethods, controllerMethods } from '../../protocol/wire/methods.ts';
import { never, secret, secretOf } from './link-pair.ts';
import { type SocketPair, socketPair } from './socket-pair.ts';

export const bundle = join(process.env['TOWLINE_DIST'] ?? join(process.cwd(), 'dist'), 'agent.mjs');

export class TestJobNode implements JobNode, AsyncDisposable {
  readonly name: string;
  readonly address = '127.0.0.1';
  readonly gpus = 0;
  readonly home: string;
  readonly paths: AgentPaths;
  readonly gate = new RootGate();
  readonly runners: Runners;
  readonly #sockets: SocketPair[] = [];
  #connected: Promise<Link<AgentMethods>> | undefined;

  constructor(name = 'head') {
    this.name = name;
    this.home = realpathSync(mkdtempSync(join(tmpdir(), 'job-node-')));
    this.paths = agentPaths(this.home, machineKey(undefined));
    this.runners = new Runners({ bundle, home: this.home });
    for (const directory of [this.paths.jobs, this.paths.roots]) mkdirSync(directory, { recursive: true });
  }

  /** The link, made anew when the last one is gone. */
  async link(): Promise<Link<AgentMethods>> {
    this.#connected ??= this.#connect();
    return await this.#connected;
  }

  async cut(): Promise<void> {
    const link = await this.link();
    link.close(new TowError('link-lost', 'cut by the test', { retryable: true }));
    await link.closed;
  }

  file(job: string, kind: 'setup' | 'run', name: string): string {
    return join(this.paths.jobs, job, kind, name);
  }

  output(job: string, kind: 'setup' | 'run' = 'run'): string {
    return readFileSync(this.file(job, kind, 'output'), 'utf8');
  }

  /** Everything that runs for this node ends, and its home goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.runners[Symbol.dispose]();
    for (const pid of processesNaming(this.home)) killIfThere(pid);
    for (const sockets of this.#sockets) await sockets[Symbol.asyncDispose]();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  async #connect(): Promise<Link<AgentMethods>> {
    const sockets = await socketPair('unix');
    this.#sockets.push(sockets);
    const jobs = jobHandlers({ paths: this.paths, runners: this.runners, gate: this.gate });
    const refuse = async (): Promise<never> => {
      throw new TowError('not-supported', 'this node has jobs only');
    };
    const handlers = {
      ...jobs,
      'node.info': refuse,
      'node.stop': refuse,
      'pull.run': refuse,
      'conflicts.list': refuse,
      'conflicts.restore': refuse,
      'conflicts.prune': refuse,
      'pull.advance': refuse,
      'pull.early': refuse,
      'copy.run': refuse,
      'copy.serve': refuse,
    };
    const served = {
      ...new SnapshotOffers().handlersFor('key'),
      ...storeHandlers(nothingServed),
      'bucket.access': refuse,
    };
    const [, link] = await Promise.all([
      openLink(
        sockets.dialler,
        { local: agentMethods, remote: controllerMethods, handlers, keyId: 'key', secret, build: 'b1' },
        never,
      ),
      acceptLink(
        sockets.listener,
        {
          secretOf,
          build: 'b2',
          partsFor: () => ({ local: controllerMethods, remote: agentMethods, handlers: served }),
        },
        never,
      ),
    ]);
    void link.closed.then(() => {
      this.#connected = undefined;
    });
    return link;
  }
}

function nothingServed(): never {
  throw new Error('nothing is served');
}

/** Processes, by id, whose command line or environment has the text in it. */
export function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .map(Number)
    .filter((pid) => ['cmdline', 'environ'].some((file) => readProc(pid, file).includes(text)));
}

export function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    // It has ended.
    return '';
  }
}

/** Waits for a condition of other processes, which say nothing when it comes true. */
export async function until(met: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; !met(); ) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** It may have ended since it was seen. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
