import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeAgentLock } from '../../agent/agent-lock.ts';
import { endAgent } from '../../agent/end-agent.ts';
import { type AgentPaths, agentPaths, machineKey } from '../../agent/paths.ts';
import { nativeFile } from '../../protocol/libc/libc.ts';

let home: string;
let paths: AgentPaths;
let other: ChildProcess;
let holds: string;
const never = new AbortController().signal;

beforeEach(async () => {
  home = mkdtempSync('/tmp/tow-');
  paths = agentPaths(home, machineKey(undefined));
  holds = join(home, 'holds');
  writeFileSync(holds, '');
  const outfile = join(home, 'agent.mjs');
  await build({
    entryPoints: ['test/helpers/half-dead-agent.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
  copyFileSync(nativeFile() ?? '', join(home, 'koffi.node'));
  other = spawn(process.execPath, [outfile, 'daemon', holds], {
    env: { ...process.env, HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (other.stdout === null) throw new Error('no pipe');
  await once(other.stdout, 'data');
});
afterEach(async () => {
  other.kill('SIGKILL');
  if (other.exitCode === null && other.signalCode === null) await once(other, 'exit');
  rmSync(home, { recursive: true });
});

test('an agent has ended when its last thread has', async () => {
  const ended = endAgent(paths, never).then(() => other.signalCode ?? stateOf(other.pid));
  await mainThreadDead();
  rmSync(holds);
  // Zombie: dead with all its threads, and not yet waited for by this process.
  expect(['Z 1', 'SIGKILL']).toContain(await ended);
});

test('the next agent waits for the lock of one that is dying, and not for that of one that lives', async () => {
  await expect(takeAgentLock(paths, 'next', never)).resolves.toBe(false);
  other.kill('SIGTERM');
  await mainThreadDead();
  const taken = takeAgentLock(paths, 'next', never);
  rmSync(holds);
  await expect(taken).resolves.toBe(true);
  expect(readFileSync(paths.lock, 'utf8')).toBe(`${process.pid} next\n`);
});

/** State and number of threads, as proc(5) has them. */
function stateOf(pid: number | undefined): string {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return `${fields[0]} ${fields[17]}`;
}

async function mainThreadDead(): Promise<void> {
  await expect.poll(() => stateOf(other.pid), { interval: 5, timeout: 10_000 }).toMatch(/^Z/);
}
