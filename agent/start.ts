import { spawn } from 'node:child_process';
import { agentEnv, daemonFlags } from '../protocol/base/daemon-flags.ts';
import { isAgent, lockHolder } from './agent-lock.ts';
import { buildId, bundleFile } from './build-id.ts';
import { endAgent } from './end-agent.ts';
import type { AgentPaths } from './paths.ts';
import { startSupervised } from './supervise/supervision.ts';

/**
 * Sees to it that an agent of this build runs for the account: does nothing if one does, ends one of another build
 * first. Jobs are processes of their own and go on. `machine` is passed on to the agent of a local node.
 */
export async function startAgent(paths: AgentPaths, machine: string | undefined, signal: AbortSignal): Promise<void> {
  const holder = lockHolder(paths);
  if (holder !== undefined && holder.build === buildId() && isAgent(holder.pid)) return;
  await endAgent(paths, signal);
  if (await startSupervised(paths)) return;
  const args = [...daemonFlags, bundleFile, 'daemon', ...(machine === undefined ? [] : [machine])];
  const env = { ...process.env, ...agentEnv };
  spawn(process.execPath, args, { detached: true, stdio: 'ignore', cwd: paths.home, env }).unref();
}
