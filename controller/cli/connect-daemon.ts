import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

/** `~/.towline/controller`. */
export function controllerDirectory(home: string): string {
  return join(home, '.towline', 'controller');
}

export function apiSocket(home: string): string {
  return join(controllerDirectory(home), 'api.sock');
}

/** A connection to the daemon; starts one if none answers, which gets its threads ready at once if it `willSync`. Rejects with `controller-failed` and the end of its log. */
export async function connectDaemon(home: string, willSync: boolean): Promise<Socket> {
  const socket = await tryConnect(apiSocket(home));
  return socket ?? (await (await import('./start-daemon.ts')).startAndConnect(home, willSync));
}

/** Whether a daemon runs. */
export async function daemonAnswers(home: string): Promise<boolean> {
  const socket = await tryConnect(apiSocket(home));
  socket?.destroy();
  return socket !== undefined;
}

export async function tryConnect(path: string): Promise<Socket | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', () => resolve(undefined));
  });
}
