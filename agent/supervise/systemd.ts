import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { agentEnv } from '../../protocol/base/daemon-flags.ts';
import type { AgentPaths } from '../paths.ts';
import { runTool, type ToolResult } from './run-tool.ts';

/**
 * A systemd user service. It is used only where the user lingers: otherwise systemd ends it, jobs included, with the
 * user's last login.
 */

/** Installs and enables the unit; returns why it could not be, or undefined if it was. Does not start it. */
export async function installUnit(paths: AgentPaths, command: readonly string[]): Promise<string | undefined> {
  const manager = await systemctl('show-environment');
  if (manager.code !== 0) return `no systemd user manager: ${firstLine(manager.stderr)}`;
  if (!(await lingers())) return 'the systemd user manager ends at logout (loginctl enable-linger was refused)';
  const file = unitFile(paths);
  const text = unitText(command, machineIdOf());
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
    await systemctl('daemon-reload');
  }
  const enabled = await systemctl('enable', basename(file));
  return enabled.code === 0 ? undefined : `systemctl enable failed: ${firstLine(enabled.stderr)}`;
}

/** (Re)starts the agent under systemd; returns whether it did. */
export async function restartUnit(paths: AgentPaths): Promise<boolean> {
  return (await systemctl('restart', basename(unitFile(paths)))).code === 0;
}

/** Stops the agent (jobs go on: `KillMode=process`) and removes the unit. */
export async function removeUnit(paths: AgentPaths): Promise<void> {
  const file = unitFile(paths);
  if (!existsSync(file)) return;
  await systemctl('disable', '--now', basename(file));
  rmSync(file, { force: true });
  await systemctl('daemon-reload');
}

/** The unit's text. `machineId` keeps it from starting on the other machines that share the home. */
export function unitText(command: readonly string[], machineId: string): string {
  return [
    '[Unit]',
    'Description=Towline agent',
    ...(machineId === '' ? [] : [`ConditionHost=${machineId}`]),
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    `ExecStart=${command.map(quote).join(' ')}`,
    ...Object.entries(agentEnv).map(([name, value]) => `Environment=${name}=${value}`),
    'Restart=always',
    'RestartSec=2',
    'KillMode=process',
    '',
    '[Install]',
    'WantedBy=default.target',
    '',
  ].join('\n');
}

function quote(argument: string): string {
  return `"${argument.replaceAll(/["\\]/g, String.raw`\$&`).replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;
}

function unitFile(paths: AgentPaths): string {
  return join(paths.home, '.config', 'systemd', 'user', `towline-agent-${basename(paths.base)}.service`);
}

async function lingers(): Promise<boolean> {
  const asked = ['loginctl', 'show-user', userInfo().username, '--property=Linger', '--value'] as const;
  if ((await runTool(asked)).stdout.trim() === 'yes') return true;
  await runTool(['loginctl', '--no-ask-password', 'enable-linger']);
  return (await runTool(asked)).stdout.trim() === 'yes';
}

async function systemctl(...args: readonly string[]): Promise<ToolResult> {
  // A login without PAM has no XDG_RUNTIME_DIR, though the manager may run.
  const runtime = process.env['XDG_RUNTIME_DIR'] ?? `/run/user/${userInfo().uid}`;
  return await runTool(['systemctl', '--user', '--no-ask-password', ...args], '', {
    ...process.env,
    XDG_RUNTIME_DIR: runtime,
  });
}

function machineIdOf(): string {
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim();
    return /^[0-9a-f]{32}$/.test(id) ? id : '';
  } catch {
    // Containers may have none; their homes are then taken as their own.
    return '';
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}
