/**
 * Local nodes: agents as processes with homes of their own on this machine. Each has a root directory of its own in a
 * mount namespace where the system allows one; everything else (link, enrolment, pull) is as on any node.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { agentEnv, daemonFlags } from '../../../protocol/base/daemon-flags.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { enrolReplyMarker, enrolReplySchema, type NodeIdentity } from '../../../protocol/wire/enrol.ts';
import { fromErrorBody } from '../../../protocol/wire/error-body.ts';
import { readDestinations } from './destinations.ts';
import { namespaceCommand } from './namespace.ts';
import { privatePaths } from './private-root.ts';
import { type Finished, runLocal } from './run-local.ts';

export interface LocalNodeOptions {
  readonly home: string;
  readonly identity: NodeIdentity;
  /** `agent.mjs`. */
  readonly bundle: string;
}

/** Environment of a local node: nothing of the user's but where programs are found. */
export function localEnv(home: string, privateRoot: boolean): Record<string, string> {
  return {
    HOME: home,
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
    TOWLINE_REACH: privateRoot ? 'namespace' : 'home',
    ...agentEnv,
  };
}

/** Enrols and starts a local node. Returns whether its root directory is its own. Rejects with the enrolment's refusal or `agent-unreachable`. */
export async function startLocalNode(
  { home, identity, bundle }: LocalNodeOptions,
  signal: AbortSignal,
): Promise<{ readonly privateRoot: boolean }> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const request = JSON.stringify({ type: 'enrol', identity, takeOver: true, supervise: false });
  const enrolled = await runLocal(
    process.execPath,
    [bundle, 'enrol'],
    { env: localEnv(home, false), input: request },
    signal,
  );
  checkEnrolled(enrolled);
  return await startLocalAgent({ home, identity, bundle }, signal);
}

/** Starts the agent of a local node that is enrolled; if one runs, that one stays. */
export async function startLocalAgent(
  { home, identity, bundle }: LocalNodeOptions,
  signal: AbortSignal,
): Promise<{ readonly privateRoot: boolean }> {
  await mkdir(join(home, '.tmp'), { recursive: true, mode: 0o700 });
  const paths = await privatePaths(await readDestinations(home), [home, dirname(bundle)]);
  const wrapper = await namespaceCommand({ home, bundle, paths }, signal);
  const agent = [process.execPath, ...daemonFlags, bundle, 'daemon', identity.machine ?? ''];
  const [program, ...args] = [...(wrapper ?? []), ...agent];
  if (program === undefined) throw new TowError('internal', 'no program to start');
  spawn(program, args, {
    env: localEnv(home, wrapper !== undefined),
    detached: true,
    stdio: 'ignore',
    cwd: home,
  }).unref();
  return { privateRoot: wrapper !== undefined };
}

/** Ends the agent of a local node. */
export async function stopLocalAgent({ home, identity, bundle }: LocalNodeOptions, signal: AbortSignal): Promise<void> {
  await runLocal(
    process.execPath,
    [bundle, 'stop', identity.machine ?? ''],
    { env: localEnv(home, false), input: '' },
    signal,
  );
}

function checkEnrolled({ stdout, stderr, code }: Finished): void {
  const line = stdout.split('\n').find((text) => text.startsWith(enrolReplyMarker));
  if (line === undefined)
    throw new TowError('agent-unreachable', `a local node could not be enrolled (exit code ${code})`, {
      cause: new Error(stderr.trim()),
    });
  const reply = v.parse(enrolReplySchema, JSON.parse(line.slice(enrolReplyMarker.length)));
  if (reply.status === 'refused') throw fromErrorBody(reply.error);
}
