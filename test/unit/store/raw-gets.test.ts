/** Ranges that are read past Node's HTTP client, over TCP and TLS, from servers that say all kinds of things. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { RawGets } from '../../../protocol/store/s3/raw-gets.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { listen } from '../../helpers/listen.ts';

const { signal } = new AbortController();
let server: Server | undefined;
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
});

/** Serves what `answer` writes to each request; returns the port. */
async function serve(
  answer: (socket: Socket, request: string) => void,
  make: (onSocket: (socket: Socket) => void) => Server = (onSocket) => createTcp(onSocket),
): Promise<number> {
  const listening = make((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => answer(socket, String(bytes)));
  });
  server = listening;
  return await listen(listening);
}

const requestTo = (port: number, protocol: 'http:' | 'https:' = 'http:') => ({
  place: { protocol, hostname: '127.0.0.1', port, path: '/b/' },
  path: '/b/k',
  headers: { host: `127.0.0.1:${port}`, range: 'bytes=0-9' },
  doing: 's3://b/k',
});

const getsFor = (silenceMs: number): RawGets => new RawGets({ silenceMs, connectMs: 15_000 });

async function read(gets: RawGets, port: number, protocol?: 'http:' | 'https:'): Promise<Buffer | undefined> {
  const answer = await gets.get(requestTo(port, protocol), signal);
  if (answer === undefined) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of answer.body) chunks.push(Buffer.from(chunk));
  answer.body.destroy();
  return Buffer.concat(chunks);
}

const head = (length: number, more = ''): string =>
  `HTTP/1.1 206 Partial Content\r\nContent-Length: ${length}\r\nETag: "e"\r\n${more}\r\n`;

test('a body in however many pieces, several on one connection', async () => {
  const bodies = [0, 1, 300_000, 70_000, 1 << 20].map((length) => Buffer.alloc(length, `${length} `));
  let asked = 0;
  const port = await serve((socket) => {
    const body = bodies[asked++] ?? Buffer.alloc(0);
    const bytes = Buffer.concat([Buffer.from(head(body.length)), body]);
    socket.write(bytes.subarray(0, 20));
    setImmediate(() => socket.write(bytes.subarray(20)));
  });
  const gets = getsFor(2000);
  for (const body of bodies) expect((await read(gets, port))?.equals(body)).toBe(true);
  expect(sockets.size).toBe(1);
});

test('a head cut anywhere', async () => {
  const bytes = Buffer.from(`${head(5)}hello`);
  let cut = 1;
  const port = await serve((socket) => {
    socket.write(bytes.subarray(0, cut));
    setImmediate(() => socket.write(bytes.subarray(cut)));
  });
  const gets = getsFor(2000);
  for (; cut < bytes.length; cut += 1) expect(String(await read(gets, port))).toBe('hello');
});

test.each([
  ['another status', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'],
  ['no object', 'HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx'],
  ['no length', 'HTTP/1.1 206 Partial Content\r\n\r\nx'],
  ['chunks', head(1, 'Transfer-Encoding: chunked\r\n')],
  ['two lengths', head(1, 'Content-Length: 2\r\n')],
  ['a header that goes on', head(1, ' folded\r\n')],
  ['no HTTP', 'hello\r\n\r\n'],
  ['HTTP/1.0', 'HTTP/1.0 206 OK\r\nContent-Length: 1\r\n\r\nx'],
  ['a head without end', 'x'.repeat(100_000)],
])('%s is for the usual way, and that connection is not used again', async (_, text) => {
  const port = await serve((socket) => void socket.write(text));
  const gets = getsFor(2000);
  expect([await read(gets, port), await read(gets, port)]).toEqual([undefined, undefined]);
  expect(sockets.size).toBe(2);
});

test('a service that has too much to do is not asked again at once', async () => {
  const port = await serve((socket) => void socket.write('HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n'));
  expect(await codeOf(read(getsFor(2000), port))).toBe('store-throttled');
});

test('silence, a reset and a refused connection are told, an idle connection that was closed is not', async () => {
  const gets = getsFor(200);
  const silent = await serve(() => undefined);
  expect(await codeOf(read(gets, silent))).toBe('store-unreachable');
  const cut = await serve((socket) => {
    socket.write(`${head(10)}12345`);
    setImmediate(() => socket.resetAndDestroy());
  });
  await expect(read(gets, cut)).rejects.toMatchObject({ code: 'ECONNRESET' });
  const closing = await serve((socket) => {
    socket.write(`${head(2)}ok`);
    setImmediate(() => socket.end());
  });
  const patient = getsFor(2000);
  for (let n = 0; n < 5; n += 1) expect(String(await read(patient, closing))).toBe('ok');
  server?.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => setImmediate(resolve));
  expect(await codeOf(read(getsFor(2000), closing))).toBe('store-unreachable');
});

test('an abort ends the wait', async () => {
  const abort = new AbortController();
  const port = await serve(() => abort.abort());
  expect(await codeOf(getsFor(2000).get(requestTo(port), abort.signal))).toBe('cancelled');
});

test('what could end a line is never sent', async () => {
  const port = await serve((socket) => void socket.write(`${head(2)}ok`));
  const request = requestTo(port);
  const headers = { ...request.headers, 'if-match': '"x\r\nevil: 1"' };
  expect(await getsFor(2000).get({ ...request, headers }, signal)).toBeUndefined();
});

test('any bytes are an answer, none, or an error that is named', async () => {
  let bytes = Buffer.alloc(0);
  const port = await serve((socket) => {
    socket.write(bytes);
    setImmediate(() => socket.end());
  });
  const piece = fc.constantFrom(
    'HTTP/1.1 206 ',
    'OK',
    '\r\n',
    '\r\n\r\n',
    'Content-Length: ',
    '3',
    ': ',
    'x',
    '\0',
    '\xff',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      bytes = Buffer.from(pieces.join(''), 'latin1');
      const found = await read(getsFor(500), port).catch((error: unknown) => error);
      expect(found === undefined || found instanceof Buffer || found instanceof Error).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('over TLS as over TCP', async () => {
  const top = mkdtempSync(join(tmpdir(), 'tls-'));
  const [key, cert] = [join(top, 'key'), join(top, 'cert')];
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  try {
    const subject = ['-subj', '/CN=localhost', '-days', '2', '-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' });
    const secure = (onSocket: (socket: Socket) => void): Server =>
      createTls({ key: readFileSync(key), cert: readFileSync(cert) }, onSocket);
    const body = Buffer.alloc(3 << 20, 'over TLS');
    const port = await serve((socket) => {
      socket.write(head(body.length));
      socket.write(body);
    }, secure);
    // Whom nobody vouches for is refused.
    expect(await codeOf(read(getsFor(2000), port, 'https:'))).toBe('store-failed');
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const gets = getsFor(2000);
    for (let n = 0; n < 3; n += 1) expect((await read(gets, port, 'https:'))?.equals(body)).toBe(true);
  } finally {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    rmSync(top, { recursive: true, force: true });
  }
});
