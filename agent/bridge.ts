import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { bridgeMarker } from '../protocol/wire/enrol.ts';
import { agentPaths, machineKey } from './paths.ts';

/**
 * Carries one link over this process's stdin and stdout, where sshd forbids forwarding: listens on a fresh socket in the
 * agent's run directory, as a forwarded one would be, and relays the first connection to it. Writes `bridgeMarker` once
 * it listens. Resolves when either side has ended. `key` names the machine's state directory.
 */
export async function bridge(key: string = machineKey(undefined)): Promise<void> {
  const { run } = agentPaths(homedir(), key);
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const path = join(run, `link-${randomBytes(6).toString('hex')}.sock`);
  // Signals end the process without the cleaning below; the agent removes sockets that refuse it.
  try {
    await relay(await accept(path));
  } finally {
    rmSync(path, { force: true });
  }
}

/** The first connection to `path`; undefined when stdin ends before there is one. */
async function accept(path: string): Promise<Socket | undefined> {
  return await new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      server.close();
      rmSync(path, { force: true });
      process.stdin.off('end', onEnd);
      resolve(socket);
    });
    const onEnd = (): void => {
      server.close();
      resolve(undefined);
    };
    server.maxConnections = 1;
    server.on('error', reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      process.stdout.write(bridgeMarker);
    });
    // Only readable listeners let `end` come; what the controller says before the link has a peer stays buffered.
    process.stdin.once('end', onEnd);
    process.stdin.on('readable', () => undefined);
  });
}

async function relay(socket: Socket | undefined): Promise<void> {
  if (socket === undefined) return;
  await new Promise<void>((resolve) => {
    socket.on('error', () => socket.destroy());
    socket.on('close', resolve);
    process.stdout.on('error', () => socket.destroy());
    process.stdin.on('error', () => socket.destroy());
    process.stdin.removeAllListeners('readable');
    process.stdin.on('close', () => socket.destroy());
    process.stdin.pipe(socket);
    socket.pipe(process.stdout, { end: false });
    socket.resume();
  });
  process.stdin.destroy();
}
