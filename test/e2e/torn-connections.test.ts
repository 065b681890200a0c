/** A connection between the CLI and the controller that is torn while bytes are under way in it: neither side falls. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TowHome } from '../helpers/tow.ts';

let home: TowHome;
beforeEach(() => {
  home = new TowHome();
});
afterEach(() => home.dispose());

const api = (): string => join(home.home, '.towline/controller/api.sock');

test('a CLI that goes with an answer waiting for it leaves the controller as it was', async () => {
  expect(home.run(home.home, 'status').code).toBe(0);
  const before = home.controllerPid();
  // The last of its arguments.
  const build = readFileSync(`/proc/${before}/cmdline`, 'utf8').split('\0').at(-2);
  const socket = connect(api());
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  socket.pause();
  const command = { command: 'status' };
  const request = { type: 'request', build, cwd: home.home, env: {}, interactive: false, command };
  socket.write(`${JSON.stringify(request)}\n`);
  // One process serves both, in turn: the first has been answered when the second is.
  expect(home.run(home.home, 'status').code).toBe(0);
  socket.destroy();
  expect(home.run(home.home, 'status').code).toBe(0);
  expect(home.controllerPid()).toBe(before);
  expect(readFileSync(join(home.home, '.towline/controller/log'), 'utf8')).not.toContain('uncaught');
});

/** In the place of a controller: does `work` with each connection, then closes the door behind the last of `count`. */
async function impostor(count: number, answer: string | undefined): Promise<Server> {
  mkdirSync(join(home.home, '.towline/controller'), { recursive: true, mode: 0o700 });
  let left = count;
  const server = createServer((socket) => {
    left -= 1;
    if (left === 0) {
      server.close();
      rmSync(api(), { force: true });
    }
    socket.on('error', () => undefined);
    // Paused: what the CLI asks stays unread, so that it sees a reset and no end.
    socket.pause();
    if (answer === undefined) setImmediate(() => socket.destroy());
    else socket.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(api(), () => resolve()));
  return server;
}

test('a controller that goes before it took the command is started anew', async () => {
  await impostor(1, undefined);
  expect(await home.start(home.home, 'launch', '-c', 'dev', '--infra', 'local', 'echo ran').done).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('ran'),
  });
});

test('one that goes after that is not: the command may have begun', async () => {
  const server = await impostor(9, '{"type":"accepted"}\n');
  const { code, stderr } = await home.start(home.home, 'status').done;
  expect([code !== 0, stderr]).toEqual([true, expect.stringContaining('went away while it worked')]);
  server.close();
  rmSync(api(), { force: true });
  expect(home.run(home.home, 'status').code).toBe(0);
});

test('one that goes each time is not started for ever', async () => {
  const server = await impostor(99, undefined);
  const { code, stderr } = await home.start(home.home, 'status').done;
  expect([code !== 0, stderr]).toEqual([true, expect.stringContaining('3 times')]);
  server.close();
  rmSync(api(), { force: true });
  expect(home.run(home.home, 'status').code).toBe(0);
});
