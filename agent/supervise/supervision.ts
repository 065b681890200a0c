import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { daemonFlags } from '../../protocol/base/daemon-flags.ts';
import { type Supervision, supervisionSchema } from '../../protocol/wire/enrol.ts';
import type { AgentPaths } from '../paths.ts';
import { installCronLine, removeCronLine } from './cron.ts';
import { installUnit, removeUnit, restartUnit } from './systemd.ts';

/** What starts the agent again when it, or its machine, has gone down: systemd --user, `@reboot` cron, or nothing. */

export interface SupervisionResult {
  readonly supervision: Supervision;
  /** Why it is not better than it is; '' with systemd. */
  readonly note: string;
}

/** Installs the best there is for `node agent.mjs`, replacing what was installed before. Does not start the agent. */
export async function installSupervision(
  paths: AgentPaths,
  command: readonly [node: string, bundle: string],
): Promise<SupervisionResult> {
  const [node, bundle] = command;
  const noSystemd = await installUnit(paths, [node, ...daemonFlags, bundle, 'daemon']);
  if (noSystemd === undefined) {
    await removeCronLine(paths);
    return record(paths, { supervision: 'systemd', note: '' });
  }
  await removeUnit(paths);
  const noCron = await installCronLine(paths, [...command, 'start']);
  if (noCron === undefined) return record(paths, { supervision: 'cron', note: noSystemd });
  return record(paths, { supervision: 'none', note: `${noSystemd}; ${noCron}` });
}

/** Removes whatever was installed. Under systemd this also ends the agent; its jobs go on. */
export async function removeSupervision(paths: AgentPaths): Promise<void> {
  await removeUnit(paths);
  await removeCronLine(paths);
  rmSync(recordFile(paths), { force: true });
}

/** What was installed last. */
export function supervisionOf(paths: AgentPaths): Supervision {
  try {
    return v.parse(supervisionSchema, readFileSync(recordFile(paths), 'utf8').trim());
  } catch {
    // Nothing was installed: a local node, or an enrolment without supervision.
    return 'none';
  }
}

/** (Re)starts the agent through its supervisor; false where the caller must start it as a process of its own. */
export async function startSupervised(paths: AgentPaths): Promise<boolean> {
  return supervisionOf(paths) === 'systemd' && (await restartUnit(paths));
}

function record(paths: AgentPaths, result: SupervisionResult): SupervisionResult {
  mkdirSync(paths.base, { recursive: true, mode: 0o700 });
  writeFileSync(`${recordFile(paths)}.new`, `${result.supervision}\n`);
  renameSync(`${recordFile(paths)}.new`, recordFile(paths));
  return result;
}

function recordFile(paths: AgentPaths): string {
  return join(paths.base, 'supervision');
}
