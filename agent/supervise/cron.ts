import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { AgentPaths } from '../paths.ts';
import { runTool } from './run-tool.ts';

/** A `@reboot` line in the user's crontab: starts the agent after a reboot, but not after a crash. */

/** Adds or renews the line; returns why it could not be, or undefined if it was. */
export async function installCronLine(paths: AgentPaths, command: readonly string[]): Promise<string | undefined> {
  if (!cronRuns()) return 'no cron daemon';
  const before = await readCrontab();
  if (before === undefined) return 'the crontab cannot be read';
  const after = withCronLine(before, basename(paths.base), command);
  if (after === before) return undefined;
  const written = await runTool(['crontab', '-'], after);
  return written.code === 0 ? undefined : `crontab failed: ${written.stderr.trim().split('\n', 1)[0] ?? ''}`;
}

/** Removes the line if there is one. */
export async function removeCronLine(paths: AgentPaths): Promise<void> {
  const before = await readCrontab();
  if (before === undefined || before === '') return;
  const after = withCronLine(before, basename(paths.base), undefined);
  if (after !== before) await runTool(['crontab', '-'], after);
}

/** The crontab with our line of this machine replaced, or removed. Every other line stays as it is. */
export function withCronLine(crontab: string, key: string, command: readonly string[] | undefined): string {
  const mark = ` # towline ${key}`;
  const others = crontab.split('\n').filter((line) => !line.endsWith(mark));
  if (command === undefined) return others.join('\n');
  if (others.at(-1) === '') others.pop();
  // In a crontab `%` is a line break unless escaped.
  const line = `@reboot ${command.map(quote).join(' ').replaceAll('%', String.raw`\%`)}${mark}`;
  return `${[...others, line].join('\n')}\n`;
}

/** '' for a user without one; undefined when it is not known, as writing would then lose the user's own lines. */
async function readCrontab(): Promise<string | undefined> {
  const listed = await runTool(['crontab', '-l'], '', { ...process.env, LC_ALL: 'C' });
  if (listed.code === 0) return listed.stdout;
  return listed.code !== undefined && /^no crontab for /m.test(listed.stderr) ? '' : undefined;
}

function quote(argument: string): string {
  return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

function cronRuns(): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return /^(cron|crond|fcron)\n/.test(readFileSync(`/proc/${name}/comm`, 'latin1'));
    } catch {
      // It ended between the two calls.
      return false;
    }
  });
}
