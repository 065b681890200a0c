/**
 * A proxy in front of an S3 server that lets requests through as they were signed, the Host header too, and does to some of
 * them what networks and services do.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type Fault =
  /** An answer of S3's instead of the server's. */
  | {
      readonly type: 'refuse';
      readonly status: number;
      readonly code: string;
      readonly headers?: Record<string, string>;
    }
  /** The connection is reset after so many bytes of the body. */
  | { readonly type: 'reset'; readonly afterBytes: number }
  /** The connection ends in order after so many bytes, though more were promised. */
  | { readonly type: 'truncate'; readonly afterBytes: number }
  /** Fewer bytes than there are, and they are all that was promised. */
  | { readonly type: 'shorten'; readonly bytes: number }
  /** More bytes than there are; promised too. */
  | { readonly type: 'lengthen'; readonly bytes: number }
  /** What the server once said to the same request, or to one with another cursor. */
  | { readonly type: 'replay'; readonly answer: Answer }
  /** No byte more after so many of the body, or no answer at all. The connection stays. */
  | { readonly type: 'hang'; readonly afterBytes: number | undefined }
  | { readonly type: 'delay'; readonly ms: number };

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly isList: boolean;
  readonly authorization: string;
}

export class FaultProxy {
  /** Each request, in order. */
  readonly seen: Seen[] = [];
  /** Answers to listings, in order. */
  readonly listings: Answer[] = [];
  /** What is done to a request; asked in order. */
  fault: (seen: Seen, index: number) => Fault | undefined = () => undefined;
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((incoming, outgoing) => void this.#serve(incoming, outgoing));
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
    });
  }

  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get endpoint(): string {
    const address = this.#server.address();
    const { port } = isTcp(address) ? address : { port: 0 };
    return `http://127.0.0.1:${port}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '' } = incoming;
    const seen = {
      method,
      url,
      isList: method === 'GET' && /[?&](?:list-type|prefix)=/.test(url),
      authorization: incoming.headers.authorization ?? '',
    };
    const fault = this.fault(seen, this.seen.length);
    this.seen.push(seen);
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) if (chunk instanceof Buffer) chunks.push(chunk);
    if (fault?.type === 'refuse') {
      const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>as the test wants it</Message></Error>`;
      return void outgoing
        .writeHead(fault.status, { 'content-type': 'application/xml', ...fault.headers })
        .end(method === 'HEAD' ? undefined : body);
    }
    if (fault?.type === 'hang' && fault.afterBytes === undefined) return;
    if (fault?.type === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms));
    if (fault?.type === 'replay') return send(outgoing, method, fault.answer, undefined);
    const answer = await this.#ask(incoming, Buffer.concat(chunks)).catch(() => undefined);
    if (answer === undefined) return void outgoing.destroy();
    if (seen.isList) this.listings.push(answer);
    send(outgoing, method, answer, fault);
  }

  async #ask({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const { hostname, port } = this.#target;
    return await new Promise((resolve, reject) => {
      request({ hostname, port, method, path: url, headers, agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
      })
        .on('error', reject)
        .end(body);
    });
  }
}

function send(outgoing: ServerResponse, method: string, answer: Answer, fault: Fault | undefined): void {
  const { status, body } = answer;
  const { connection: _, 'transfer-encoding': __, ...headers } = answer.headers;
  if (method === 'HEAD') return void outgoing.writeHead(status, headers).end();
  switch (fault?.type) {
    case 'reset':
      outgoing.writeHead(status, { ...headers, 'content-length': `${body.length}` });
      outgoing.write(body.subarray(0, fault.afterBytes), () => outgoing.socket?.resetAndDestroy());
      return;
    case 'truncate':
      outgoing.writeHead(status, { ...headers, 'content-length': `${body.length}` });
      outgoing.write(body.subarray(0, fault.afterBytes), () => outgoing.socket?.end());
      return;
    case 'hang':
      outgoing.writeHead(status, { ...headers, 'content-length': `${body.length}` });
      outgoing.write(body.subarray(0, fault.afterBytes));
      return;
    case 'shorten': {
      const less = body.subarray(0, fault.bytes);
      outgoing.writeHead(status, { ...headers, 'content-length': `${less.length}` }).end(less);
      return;
    }
    case 'lengthen': {
      const more = Buffer.concat([body, Buffer.alloc(fault.bytes, '!')]);
      outgoing.writeHead(status, { ...headers, 'content-length': `${more.length}` }).end(more);
      return;
    }
    case 'refuse':
    case 'replay':
    case 'delay':
    case undefined:
      outgoing.writeHead(status, { ...headers, 'content-length': `${body.length}` }).end(body);
  }
}

function isTcp(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
