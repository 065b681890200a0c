/** Two connected WebSockets, over each thing that carries links. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, duplexPair, type Readable, type Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { dialOver, dialUnix, linkServer, listenUnix } from '../../protocol/link/transport.ts';

export interface SocketPair extends AsyncDisposable {
  readonly dialler: WebSocket;
  readonly listener: WebSocket;
}

const never = new AbortController().signal;

export const transports = ['memory', 'unix', 'stdio'] as const;
export type Transport = (typeof transports)[number];

export async function socketPair(transport: Transport = 'memory'): Promise<SocketPair> {
  switch (transport) {
    case 'memory':
      return await overMemory();
    case 'unix':
      return await overUnixSocket(async (path) => await dialUnix(path, never));
    case 'stdio':
    default:
      return await overStdio();
  }
}

async function overMemory(): Promise<SocketPair> {
  const accepted = acceptor();
  const [ours, theirs] = duplexPair();
  // As with real connections, one end going takes the other with it.
  ours.on('close', () => theirs.destroy());
  theirs.on('close', () => ours.destroy());
  const server = linkServer(accepted.take);
  server.emit('connection', theirs);
  const dialler = await dialOver(() => ours, 'memory', never);
  return {
    dialler,
    listener: await accepted.socket,
    [Symbol.asyncDispose]: async () => {
      ours.destroy();
      theirs.destroy();
    },
  };
}

async function overUnixSocket(dial: (path: string) => Promise<WebSocket>): Promise<SocketPair> {
  const directory = mkdtempSync(join(tmpdir(), 'link-'));
  const accepted = acceptor();
  const server = await listenUnix(join(directory, 's'), accepted.take);
  const dialler = await dial(join(directory, 's'));
  return {
    dialler,
    listener: await accepted.socket,
    [Symbol.asyncDispose]: async () => {
      dialler.terminate();
      await server[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const relay = `
const socket = require('node:net').connect(process.argv[1]);
socket.on('error', () => process.exit());
socket.on('close', () => process.exit());
process.stdin.pipe(socket).pipe(process.stdout);
`;

/** The dialler's bytes go through a process's stdin and stdout. */
async function overStdio(): Promise<SocketPair> {
  let child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  const pair = await overUnixSocket(async (path) => {
    const spawned = spawn(process.execPath, ['-e', relay, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    child = spawned;
    const stdio = Duplex.from({ readable: spawned.stdout, writable: spawned.stdin });
    spawned.stdout.on('close', () => stdio.destroy());
    return await dialOver(() => stdio, 'a relay', never);
  });
  return {
    ...pair,
    [Symbol.asyncDispose]: async () => {
      const exited = child !== undefined && child.exitCode === null ? once(child, 'exit') : undefined;
      child?.kill();
      await exited;
      await pair[Symbol.asyncDispose]();
    },
  };
}

function acceptor(): { readonly socket: Promise<WebSocket>; readonly take: (socket: WebSocket) => void } {
  let take: (socket: WebSocket) => void = () => undefined;
  const socket = new Promise<WebSocket>((resolve) => {
    take = resolve;
  });
  return { socket, take: (accepted) => take(accepted) };
}
