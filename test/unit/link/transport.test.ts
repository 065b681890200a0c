import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { dialUnix, listenUnix, maxSocketPathBytes } from '../../../protocol/link/transport.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { never } from '../../helpers/link-pair.ts';

const base = mkdtempSync(join(tmpdir(), 'transport-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const ignore = (): void => undefined;

test('the socket is 0600 in a directory that is 0700, whatever the umask', async () => {
  const umask = process.umask(0);
  try {
    const path = join(base, 'made', 'here', 's');
    await using _server = await listenUnix(path, ignore);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(base, 'made', 'here')).mode & 0o777).toBe(0o700);
    expect(process.umask()).toBe(0);
  } finally {
    process.umask(umask);
  }
});

test('a socket that nobody listens on is replaced, one that somebody does is not', async () => {
  const path = join(base, 'stale');
  // Left behind, as by a process that was killed.
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(`${path}.1`, () => resolve()));
  renameSync(`${path}.1`, path);
  await new Promise<void>((resolve) => dead.close(() => resolve()));
  await using _server = await listenUnix(path, ignore);
  expect(await codeOf(listenUnix(path, ignore))).toBe('controller-busy');
  const socket = await dialUnix(path, never);
  expect(socket.readyState).toBe(socket.OPEN);
  socket.terminate();
});

test('disposing of it cuts the connections', async () => {
  const path = join(base, 'cut');
  const server = await listenUnix(path, ignore);
  const socket = await dialUnix(path, never);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await server[Symbol.asyncDispose]();
  await closed;
  expect(await codeOf(dialUnix(path, never))).toBe('link-lost');
});

test('a path too long for a socket is an error that names it', async () => {
  const path = join(base, 'x'.repeat(maxSocketPathBytes));
  await expect(listenUnix(path, ignore)).rejects.toMatchObject({ code: 'io', message: expect.stringContaining(path) });
});

test('dialling nobody, a server that says nothing, or under an aborted signal fails', async () => {
  expect(await codeOf(dialUnix(join(base, 'nobody'), never))).toBe('link-lost');
  expect(await codeOf(dialUnix(join(base, 'nobody'), AbortSignal.abort()))).toBe('cancelled');
  const path = join(base, 'mute');
  const mute = createServer(ignore);
  await new Promise<void>((resolve) => mute.listen(path, () => resolve()));
  const abort = new AbortController();
  const connected = new Promise((resolve) => mute.once('connection', resolve));
  const outcome = codeOf(dialUnix(path, abort.signal));
  await connected;
  abort.abort();
  expect(await outcome).toBe('cancelled');
  await new Promise<void>((resolve) => mute.close(() => resolve()));
});
