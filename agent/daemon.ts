/** The agent itself: recovers what a crash left, then keeps a link to its controller and serves it. */
import { mkdirSync } from 'node:fs';
import { TowError } from '../protocol/base/errors.ts';
import { reuseMemory } from '../protocol/libc/libc.ts';
import type { Handlers, Link } from '../protocol/link/link.ts';
import { openLink } from '../protocol/link/open-link.ts';
import type { Reach } from '../protocol/pull/replica/destination.ts';
import { RootGate } from '../protocol/pull/replica/root-gate.ts';
import {
  type AgentMethods,
  agentMethods,
  type ControllerMethods,
  controllerMethods,
} from '../protocol/wire/methods.ts';
import { takeAgentLock } from './agent-lock.ts';
import { AgentLog } from './agent-log.ts';
import { buildId, bundleFile } from './build-id.ts';
import { copyHandlers } from './copy/handlers.ts';
import { keepLink } from './dial.ts';
import { readIdentity } from './identity.ts';
import { jobHandlers } from './jobs/handlers.ts';
import { Runners } from './jobs/runners.ts';
import { addressOf, describeNode } from './node-info.ts';
import { agentPaths, machineKey } from './paths.ts';
import { pullHandlers, recoverRoots } from './pull/handlers.ts';

export interface DaemonOptions {
  readonly home: string;
  /** Given to nodes that share their machine. */
  readonly machine: string | undefined;
  readonly reach: Reach;
}

/** Runs until `signal` aborts. Rejects with `node-taken` when another agent runs for the account. */
export async function runAgent(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const paths = agentPaths(options.home, machineKey(options.machine));
  const build = buildId();
  if (!(await takeAgentLock(paths, build, signal)))
    throw new TowError('node-taken', `an agent runs already for ${paths.base}`);
  reuseMemory({ reusedBytes: 8 << 20, keptBytes: 16 << 20 });
  const identity = readIdentity(paths);
  if (identity === undefined) throw new TowError('unauthenticated', `${paths.identity}: this node is not enrolled`);
  const log = new AgentLog(paths.log);
  log.line(`agent ${build} starts, pid ${process.pid}, Node ${process.version}`);
  for (const directory of [paths.jobs, paths.roots]) mkdirSync(directory, { recursive: true, mode: 0o700 });

  const gate = new RootGate();
  for (const line of await recoverRoots(paths, bundleFile, signal)) log.line(line);

  const stop = new AbortController();
  const life = AbortSignal.any([signal, stop.signal]);
  let current: Link<ControllerMethods> | undefined;
  using runners = new Runners({ bundle: bundleFile, home: paths.home });
  const pulls = pullHandlers({
    paths,
    script: bundleFile,
    reach: options.reach,
    gate,
    link: () => current,
    log: (line) => log.line(line),
  });
  const handlers: Handlers<AgentMethods> = {
    'node.info': async () => describeNode(paths, identity),
    'node.stop': async () => {
      // The reply goes out first.
      setTimeout(() => stop.abort(), 50);
      return {};
    },
    ...pulls,
    'pull.run': async (params, context) => {
      const result = await pulls['pull.run'](params, context);
      runners.pulled();
      return result;
    },
    ...copyHandlers({
      paths,
      script: bundleFile,
      reach: options.reach,
      address: () => addressOf(identity),
      link: () => current,
      log: (line) => log.line(line),
    }),
    ...jobHandlers({ paths, runners, gate }),
  };
  const parts = { local: agentMethods, remote: controllerMethods, handlers };
  await keepLink(
    {
      paths,
      identity,
      open: (socket, during) =>
        openLink(
          socket,
          { ...parts, keyId: identity.keyId, secret: Buffer.from(identity.secret, 'hex'), build },
          during,
        ),
      onLink: (link) => {
        current = link;
      },
      log: (line) => log.line(line),
    },
    life,
  );
  log.line('agent stops');
}
