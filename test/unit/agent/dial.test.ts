import { existsSync, linkSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keepLink } from '../../../agent/dial.ts';
import { agentPaths } from '../../../agent/paths.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { linkServer } from '../../../protocol/link/transport.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync('/tmp/tow-dial-');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A dialling agent on the run directory of `home`; `opened` resolves when a WebSocket to a controller is open. */
function dialling(signal: AbortSignal) {
  const paths = agentPaths(home, 'machine');
  const lines: string[] = [];
  let onLine = (): void => undefined;
  let onOpened = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    onOpened = resolve;
  });
  const done = keepLink(
    {
      paths,
      identity: {
        keyId: '0123456789abcdef',
        secret: '0'.repeat(64),
        controller: { id: 'c', name: 'c' },
        cluster: 'dev',
        node: 'head',
        link: { kind: 'run-dir' },
      },
      open: async (socket) => {
        onOpened();
        socket.terminate();
        throw new TowError('link-lost', 'far enough');
      },
      onLink: () => undefined,
      log: (line) => {
        lines.push(line);
        onLine();
      },
    },
    signal,
  );
  const logged = async (count: number): Promise<void> => {
    while (lines.length < count) {
      await new Promise<void>((resolve) => {
        onLine = resolve;
      });
    }
  };
  return { run: paths.run, logged, opened, done };
}

/** A socket file that refuses: bound, with nobody who listens any more. */
async function refusing(path: string): Promise<void> {
  const server = createServer().listen(`${path}.made`);
  await new Promise((resolve) => server.once('listening', resolve));
  linkSync(`${path}.made`, path);
  await new Promise((resolve) => server.close(resolve));
}

test('a socket that refuses, as one between bind and listen does, is dialled again and not removed', async () => {
  const stop = new AbortController();
  const agent = dialling(stop.signal);
  const path = join(agent.run, 'link-0123456789ab.sock');
  await refusing(path);
  await agent.logged(1);
  expect(existsSync(path)).toBe(true);
  const server = linkServer(() => undefined).listen(join(home, 'listening.sock'));
  await new Promise((resolve) => server.once('listening', resolve));
  // No event of the run directory tells that a socket listens now; the one of this rename stands for nothing more.
  renameSync(join(home, 'listening.sock'), path);
  await agent.opened;
  stop.abort();
  await agent.done;
  server.close();
});

test('a socket that goes on refusing is removed', async () => {
  const stop = new AbortController();
  const agent = dialling(stop.signal);
  const path = join(agent.run, 'link-0123456789ab.sock');
  await refusing(path);
  await agent.logged(4);
  expect(existsSync(path)).toBe(false);
  stop.abort();
  await agent.done;
});
