/** Serves the CLI on `api.sock`: one request a connection, JSON Lines both ways. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { cancelled } from '../../protocol/base/abort.ts';
import { TowError, toTowError } from '../../protocol/base/errors.ts';
import { toErrorBody } from '../../protocol/wire/error-body.ts';
import type { ApiRequest } from '../api/command.ts';
import type { ApiEvent } from '../api/event.ts';
import { exitCodeOfError } from '../cli/exit-code.ts';
import { runCommand } from './commands/table.ts';
import type { CommandContext } from './context.ts';
import type { Controller } from './controller.ts';
import { log } from './log.ts';
import { parseInput } from './request-schema.ts';

/** Told to a CLI of another build, which then starts a daemon of its own. */
const replacedCode = -1;
const maxLineBytes = 4 << 20;

export interface ApiServerOptions {
  readonly path: string;
  readonly build: string;
  readonly controller: Controller;
  /** Ends the daemon. */
  stop(): void;
}

export class ApiServer implements AsyncDisposable {
  readonly #options: ApiServerOptions;
  readonly #server: Server;
  readonly #requests = new Map<Socket, string>();
  readonly #work = new Set<Promise<void>>();
  readonly #sockets = new Set<Socket>();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#onConnection(socket));
  }

  async listen(): Promise<void> {
    rmSync(this.#options.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.path, resolve);
    });
    chmodSync(this.#options.path, 0o600);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await Promise.allSettled(this.#work);
    // A CLI that waits to start its own daemon hears of the end last.
    for (const socket of this.#sockets) if (!this.#handedOver.includes(socket)) socket.destroySoon();
  }

  #onConnection(socket: Socket): void {
    const abort = new AbortController();
    let begun = false;
    let loginDone: (code: number) => void = () => undefined;
    socket.on('error', () => abort.abort(cancelled()));
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      abort.abort(cancelled());
    });
    const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
    // It passes the socket's errors on, which are seen to above; nobody listening would be an uncaught one.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      try {
        if (line.length > maxLineBytes) throw new TowError('limit-exceeded', 'a request is too long');
        const input = parseInput(line);
        if (input.type === 'interrupt') abort.abort(cancelled());
        else if (input.type === 'login-done') loginDone(input.code);
        else if (!begun) {
          begun = true;
          const login = async (argv: readonly string[]): Promise<number> => {
            const done = new Promise<number>((resolve) => {
              loginDone = resolve;
              abort.signal.addEventListener('abort', () => resolve(255), { once: true });
            });
            this.#send(socket, { type: 'login', argv });
            return await done;
          };
          this.#own(this.#serve(socket, input, abort.signal, input.interactive ? login : undefined));
        }
      } catch (error) {
        this.#fail(socket, toTowError(error, 'reading a request'));
      }
    });
  }

  async #serve(
    socket: Socket,
    request: ApiRequest,
    signal: AbortSignal,
    login: CommandContext['login'],
  ): Promise<void> {
    const name = request.command.command;
    if (request.build !== this.#options.build && name !== 'stop') return this.#handOver(socket);
    this.#send(socket, { type: 'accepted' });
    this.#requests.set(socket, name);
    try {
      if (name === 'stop') {
        this.#send(socket, {
          type: 'summary',
          command: 'stop',
          text: 'the controller ends; nodes and their jobs go on',
        });
        this.#exit(socket, 0);
        this.#options.stop();
        return;
      }
      const context: CommandContext = {
        cwd: request.cwd,
        env: request.env,
        signal,
        login,
        emit: (event) => this.#send(socket, event),
      };
      const { summary, exitCode } = await runCommand(request.command, context, this.#options.controller);
      this.#send(socket, { type: 'summary', ...summary });
      this.#exit(socket, exitCode ?? 0);
    } catch (error) {
      const failure = toTowError(error, name);
      if (failure.code === 'internal')
        log(`${name}: ${failure.stack ?? ''}\n${failure.cause instanceof Error ? (failure.cause.stack ?? '') : ''}`);
      this.#fail(socket, failure);
    } finally {
      this.#requests.delete(socket);
    }
  }

  /** A CLI of another build takes over, unless somebody's command would be cut short. */
  #handOver(socket: Socket): void {
    const [busy] = this.#requests.values();
    if (busy !== undefined) {
      this.#fail(
        socket,
        new TowError('controller-busy', `the controller is of another build and works on tow ${busy}`, {
          hint: 'repeat the command when that has ended',
          retryable: true,
        }),
      );
      return;
    }
    log('a CLI of another build takes over');
    this.#options.stop();
    // Told once the sockets are free for the next daemon.
    this.#handedOver.push(socket);
  }

  readonly #handedOver: Socket[] = [];

  /** After everything is let go of: the waiting CLIs may start their own. */
  releaseHandedOver(): void {
    for (const socket of this.#handedOver) this.#exit(socket, replacedCode);
  }

  #fail(socket: Socket, error: TowError): void {
    this.#send(socket, { type: 'error', error: toErrorBody(error) });
    this.#exit(socket, exitCodeOfError(error.code));
  }

  #exit(socket: Socket, code: number): void {
    this.#send(socket, { type: 'exit', code });
    socket.end();
  }

  #send(socket: Socket, event: ApiEvent): void {
    if (socket.writable) socket.write(`${JSON.stringify(event)}\n`);
  }

  #own(task: Promise<void>): void {
    const owned = task.finally(() => this.#work.delete(owned));
    this.#work.add(owned);
  }
}
