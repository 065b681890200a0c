import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { cancelled } from '../../../protocol/base/abort.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { bridgeMarker } from '../../../protocol/wire/enrol.ts';
import { anyHost, type ControlMaster } from './control-master.ts';
import { freshName } from './fresh-name.ts';
import { remoteCommand } from './remote-command.ts';
import { runProcess } from './run-process.ts';

/** A way for the agent's link: a socket in its run directory that ends at the controller's. */
export interface Tunnel {
  readonly kind: 'forward' | 'bridge';
  /** Resolves (never rejects) when it no longer carries links. A forward lives as long as its connection. */
  readonly gone: Promise<void>;
  close(): void;
}

export interface TunnelTarget {
  readonly host: string;
  readonly home: string;
  readonly node: string;
  readonly build: string;
  readonly machine: string;
  /** The controller's own socket. */
  readonly linkSocket: string;
}

const forwardTimeoutMs = 20_000;
const bridgeTimeoutMs = 20_000;
const maxNoiseBytes = 64 << 10;

/**
 * Forwards a fresh socket of the node to the controller's; sshd makes it 0600 in the agent's 0700 directory. Returns
 * undefined where sshd does not allow it.
 */
export async function openForward(
  master: ControlMaster,
  target: TunnelTarget,
  signal: AbortSignal,
): Promise<Tunnel | undefined> {
  const remote = `${target.home}/.towline/agent/${target.machine}/run/link-${freshName()}.sock`;
  const spec = `${remote}:${target.linkSocket}`;
  const argv = [...master.argv, '-O', 'forward', '-R', spec, ...anyHost] as const;
  const result = await runProcess(argv, { env: master.env, timeoutMs: forwardTimeoutMs }, signal);
  if (result.code !== 0) return undefined;
  return { kind: 'forward', gone: master.gone, close: () => undefined };
}

const bridge = 'exec "$1" "$HOME/.towline/agent/builds/$2/agent.mjs" bridge "$3"';

/** Carries one link over stdin and stdout of a command on the node. Fails with `agent-unreachable`. */
export async function openBridge(master: ControlMaster, target: TunnelTarget, signal: AbortSignal): Promise<Tunnel> {
  const [file, ...args] = [
    ...master.argv,
    '-T',
    ...anyHost,
    remoteCommand(bridge, [target.node, target.build, target.machine]),
  ];
  if (file === undefined) throw new Error('this is a bug: no command line');
  const child = spawn(file, args, { env: master.env, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  const close = (): void => {
    child.kill('SIGTERM');
  };
  const gone = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  const timer = setTimeout(close, bridgeTimeoutMs);
  signal.addEventListener('abort', close, { once: true });
  try {
    await skipToMarker(child.stdout, gone);
  } catch (error) {
    close();
    await gone;
    throw signal.aborted
      ? cancelled()
      : new TowError('agent-unreachable', `${target.host}: no link over ssh's stdin and stdout`, {
          cause: error,
          retryable: true,
        });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', close);
  }
  // The agent speaks first, when it dials; until then the controller's listener need not know of it.
  child.stdout.once('readable', () => {
    const socket = connect(target.linkSocket);
    socket.on('error', close);
    socket.on('close', close);
    child.stdin.on('error', () => socket.destroy());
    child.stdout.on('close', () => socket.destroy());
    child.stdout.pipe(socket);
    socket.pipe(child.stdin);
  });
  return { kind: 'bridge', gone, close };
}

/** Reads what login scripts print until the marker, and leaves what follows it in the stream. */
async function skipToMarker(stdout: Readable, gone: Promise<void>): Promise<void> {
  let seen = Buffer.alloc(0);
  await new Promise<void>((resolve, reject) => {
    const onReadable = (): void => {
      for (let data: unknown = stdout.read(); Buffer.isBuffer(data); data = stdout.read()) {
        seen = Buffer.concat([seen, data]);
        const at = seen.indexOf(bridgeMarker);
        if (at < 0 && seen.length <= maxNoiseBytes) continue;
        stdout.off('readable', onReadable);
        if (at < 0) {
          reject(new Error(`${seen.length} bytes of other output`));
          return;
        }
        const rest = seen.subarray(at + bridgeMarker.length);
        if (rest.length > 0) stdout.unshift(rest);
        resolve();
        return;
      }
    };
    stdout.on('readable', onReadable);
    void gone.then(() => reject(new Error('the command on the node ended')));
  });
}
