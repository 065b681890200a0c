/**
 * An agent with the real enrolment and bridge, but instead of a link it says its key and its pid on every connection and
 * gives back what it hears. What ssh carries is tested with it without the rest of the agent.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bridge } from '../../agent/bridge.ts';
import { enrol } from '../../agent/enrol.ts';
import { readIdentity } from '../../agent/identity.ts';
import { agentPaths, machineKey } from '../../agent/paths.ts';

const paths = agentPaths(homedir(), machineKey(undefined));

function start(): void {
  if (alive()) return;
  const bundle = fileURLToPath(import.meta.url);
  spawn(process.execPath, [bundle, 'daemon'], { detached: true, stdio: 'ignore' }).unref();
}

function alive(): boolean {
  try {
    const pid = Number.parseInt(readFileSync(paths.lock, 'utf8'), 10);
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('daemon');
  } catch {
    return false;
  }
}

function daemon(): void {
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  writeFileSync(paths.lock, `${process.pid} dialling\n`);
  const connected = new Set<string>();
  const refused = new Set<string>();
  const dial = (): void => {
    // A socket may vanish between any two of these lines: the other end makes and removes them as it likes.
    const madeAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const sockets = readdirSync(paths.run).map((name) => join(paths.run, name));
    const newest = sockets.sort((a, b) => madeAt(b) - madeAt(a))[0];
    if (newest === undefined || connected.has(newest)) return;
    connected.add(newest);
    const socket = connect(newest, () => {
      socket.write(`hello ${readIdentity(paths)?.keyId ?? 'nobody'} ${process.pid}\n`);
      socket.pipe(socket);
    });
    socket.on('error', () => {
      // Not the first time: sshd binds before it listens.
      if (refused.has(newest)) rmSync(newest, { force: true });
      refused.add(newest);
    });
    socket.on('close', () => {
      connected.delete(newest);
      setTimeout(dial, 50);
    });
  };
  watch(paths.run, dial);
  dial();
}

switch (process.argv[2]) {
  case 'enrol':
    await enrol();
    break;
  case 'bridge':
    await bridge(process.argv[3]);
    break;
  case 'start':
    start();
    break;
  case 'daemon':
    daemon();
    break;
  case undefined:
  default:
    throw new Error(`no such subcommand: ${String(process.argv[2])}`);
}
