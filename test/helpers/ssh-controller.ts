import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import {
  connectSshNode,
  type SshNode,
  type SshNodeOptions,
  type SshNodeState,
} from '../../controller/cluster/ssh/ssh-node.ts';
import type { NodeIdentity } from '../../protocol/wire/enrol.ts';
import { controllerEnvironment, type TestHost } from './ssh-hosts.ts';

/** What the dialling agent said when it connected. */
export interface Hello {
  readonly keyId: string;
  readonly pid: number;
  readonly socket: Socket;
}

/** Bundles the dialling agent as a build of its own, once a test file; returns its directory. */
export async function buildDiallingAgent(directory: string): Promise<string> {
  await build({
    entryPoints: ['test/helpers/dialling-agent.ts'],
    outfile: join(directory, 'agent.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
  });
  // Never imported by it: any bytes do.
  for (const name of ['sdk-aws.mjs', 'sdk-google.mjs'])
    writeFileSync(join(directory, name), `export const name = '${name}';\n`);
  const native = `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;
  copyFileSync(createRequire(import.meta.url).resolve(native), join(directory, 'koffi.node'));
  return directory;
}

/** A controller's side as far as ssh nodes need one: a HOME, a listener where agents arrive, and what nodes said. */
export class SshController implements AsyncDisposable {
  readonly home = mkdtempSync('/tmp/tow-');
  readonly env = controllerEnvironment(this.home);
  readonly notes: string[] = [];
  readonly states: SshNodeState[] = [];
  readonly linkSocket = join(this.home, '.towline', 'controller', 'link.sock');
  readonly #server: Server;
  readonly #nodes: SshNode[] = [];
  readonly #hellos: Hello[] = [];
  readonly #stateWaiting: (() => void)[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #waiting: ((hello: Hello) => void)[] = [];

  constructor() {
    mkdirSync(join(this.home, '.towline', 'controller'), { recursive: true, mode: 0o700 });
    this.#server = createServer((socket) => this.#greet(socket)).listen(this.linkSocket);
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    const lines = createInterface({ input: socket });
    lines.once('line', (line) => {
      lines.close();
      const [, keyId, pid] = line.split(' ');
      const hello = { keyId: keyId ?? '', pid: Number(pid), socket };
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#hellos.push(hello);
      else waiting(hello);
    });
  }

  /** Waits until a node made with `options` is in this state. */
  async state(node: SshNode, wanted: SshNodeState): Promise<void> {
    while (node.state !== wanted) await new Promise<void>((resolve) => this.#stateWaiting.push(resolve));
  }

  /** The next agent that dials in, or one that has. */
  async hello(): Promise<Hello> {
    return this.#hellos.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
  }

  identity(cluster = 'dev', node = 'head'): NodeIdentity {
    return {
      keyId: randomBytes(8).toString('hex'),
      secret: randomBytes(32).toString('hex'),
      controller: { id: this.home.slice(5), name: `me@${this.home.slice(5)}` },
      cluster,
      node,
      link: { kind: 'run-dir' },
    };
  }

  options(host: Pick<TestHost, 'name'>, dist: string, more: Partial<SshNodeOptions> = {}): SshNodeOptions {
    return {
      host: { pool: 'lab', host: host.name },
      identity: this.identity(),
      dist,
      build: 'testbuild',
      linkSocket: this.linkSocket,
      stateDir: join(this.home, '.towline', 'controller', 'ssh'),
      cacheDir: '/var/tmp/towline-test-cache',
      env: this.env,
      login: undefined,
      takeOver: false,
      onState: (state) => {
        this.states.push(state);
        this.#stateWaiting.splice(0).forEach((again) => again());
      },
      onNote: (text) => this.notes.push(text),
      ...more,
    };
  }

  async connect(options: SshNodeOptions, signal = new AbortController().signal): Promise<SshNode> {
    const node = await connectSshNode(options, signal);
    this.#nodes.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node[Symbol.asyncDispose]();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.home, { recursive: true, force: true });
  }
}
