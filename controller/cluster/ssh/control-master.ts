import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { TowError } from '../../../protocol/base/errors.ts';
import { findProgram } from './find-program.ts';
import { runProcess } from './run-process.ts';
import { configArguments, loginArguments } from './ssh-config.ts';
import { sshFailure } from './ssh-failure.ts';
import { displayHost, hostArguments, type SshHost } from './ssh-host.ts';

/**
 * One authenticated ssh connection to a host, which later sessions go through by its control socket. The ssh process is
 * nobody's child (`ssh -f`), so it may have been started on a terminal, and a controller that was killed finds it again.
 */
export interface ControlMaster {
  /** Command line of an ssh that goes through the connection: put the remote command, or `-O …`, behind it. */
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Whether it was made by this call, not found from before. */
  readonly fresh: boolean;
  /** Resolves (never rejects) once the connection is gone. */
  readonly gone: Promise<void>;
  /** Ends the connection, and with it all sessions and forwardings. */
  end(): Promise<void>;
}

export interface ControlMasterOptions {
  readonly host: SshHost;
  /** Where the control socket is; ssh adds 17 bytes to it. */
  readonly socket: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command line on the user's terminal; undefined when there is none. */
  readonly login: ((argv: readonly string[]) => Promise<number>) | undefined;
}

const connectTimeoutS = 10;
/** Time for a login without questions, key exchange included. */
const loginTimeoutMs = 25_000;
const maxSocketPathBytes = 107 - 17;

/**
 * Connects and logs in, without a terminal first, on the user's terminal if the host asks for more. A connection that is
 * still there from before is used again. Fails with `host-unreachable`, `host-key-refused`, `login-refused` or
 * `login-needs-terminal` within seconds.
 */
export async function openControlMaster(options: ControlMasterOptions, signal: AbortSignal): Promise<ControlMaster> {
  const { host, socket, login } = options;
  if (Buffer.byteLength(socket) > maxSocketPathBytes) {
    throw new TowError('not-supported', `${socket} is too long for a socket (${maxSocketPathBytes} bytes at most)`, {
      hint: 'set HOME to a shorter path',
    });
  }
  await mkdir(dirname(socket), { recursive: true, mode: 0o700 });
  const env = sshEnvironment(options.env);
  const ssh = await findProgram('ssh', env);
  const argv = sessionArguments(ssh, socket);
  const found = await watch(argv, env, socket, false);
  if (found !== undefined) return found;

  const config = await configArguments(env);
  const added = await loginArguments(ssh, config, host, env, signal);
  const base = [ssh, ...config, '-f', '-N', '-T', '-M', '-S', socket, ...added, ...masterOptions] as const;
  const batch = ['-o', 'BatchMode=yes', '-o', 'LogLevel=DEBUG1', ...hostArguments(host, env)];
  const result = await runProcess([...base, ...batch], { env, timeoutMs: loginTimeoutMs }, signal);
  if (result.code !== 0) {
    const failure = sshFailure(displayHost(host), result);
    if (!failure.needsTerminal || login === undefined) throw failure.error;
    await loginOnTerminal([...base, ...hostArguments(host, env)], host, login, failure.error);
  }
  const master = await watch(argv, env, socket, true);
  if (master !== undefined) return master;
  throw new TowError('host-unreachable', `${displayHost(host)}: the connection ended as soon as it was made`, {
    retryable: true,
  });
}

/** Forwardings and commands of the user's configuration are for the user's own sessions. */
const masterOptions = [
  `ConnectTimeout=${connectTimeoutS}`,
  'ServerAliveInterval=10',
  'ServerAliveCountMax=3',
  'ControlPersist=no',
  'ClearAllForwardings=yes',
  'RemoteCommand=none',
  'PermitLocalCommand=no',
  'ForwardX11=no',
  'Tunnel=no',
].flatMap((option) => ['-o', option]);

/** No configuration is read, and if the control socket is gone ssh fails instead of connecting by itself. */
function sessionArguments(ssh: string, socket: string): readonly [string, ...string[]] {
  const never = ['-o', 'ControlMaster=no', '-o', 'ProxyCommand=false', '-o', 'LogLevel=ERROR', '-o', 'BatchMode=yes'];
  return [ssh, '-F', 'none', '-S', socket, ...never];
}

/** Any name does: the connection is named by its socket. */
export const anyHost = ['--', 'node'] as const;

async function loginOnTerminal(
  argv: readonly string[],
  host: SshHost,
  login: (argv: readonly string[]) => Promise<number>,
  cause: TowError,
): Promise<void> {
  const code = await login(argv);
  if (code === 0) return;
  throw new TowError(
    'login-refused',
    `${displayHost(host)}: the login on the terminal failed (ssh ended with ${code})`,
    {
      cause,
      hint: 'see what ssh said above',
    },
  );
}

/** Holds a connection to the control socket: it closes when the master ends. */
async function watch(
  argv: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  socket: string,
  fresh: boolean,
): Promise<ControlMaster | undefined> {
  const connection = connect(socket);
  const connected = await new Promise<boolean>((resolve) => {
    connection.once('connect', () => resolve(true));
    connection.once('error', () => resolve(false));
  });
  if (!connected) {
    await rm(socket, { force: true });
    return undefined;
  }
  connection.on('error', () => connection.destroy());
  connection.resume();
  connection.unref();
  const gone = new Promise<void>((resolve) => {
    connection.on('close', () => resolve());
  });
  const end = async (): Promise<void> => {
    // Not to be given up half way: what is left behind would hold the login open.
    const never = new AbortController().signal;
    await runProcess([...argv, '-O', 'exit', ...anyHost], { env, timeoutMs: 5000 }, never);
    connection.destroy();
    await rm(socket, { force: true });
  };
  return { argv, env, fresh, gone, end };
}

/** The request's environment, with nothing that lets ssh ask by another way than the CLI's terminal, in the C locale. */
function sshEnvironment(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { DISPLAY: _display, ...rest } = env;
  return { ...rest, LC_ALL: 'C', SSH_ASKPASS_REQUIRE: 'never' };
}
