/** The built program as a package installs it: a file that runs by itself. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';

test('dist/tow.js runs by its first line', () => {
  const { status, stdout } = spawnSync('dist/tow.js', ['--help'], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, expect.stringContaining('usage: tow COMMAND')]);
});

test('Node does not read extra certificates at its start, and whoever tow starts or asks still has them', async () => {
  const home = mkdtempSync(join(tmpdir(), 'tow-program-'));
  const directory = join(home, '.towline', 'controller');
  mkdirSync(directory, { recursive: true });
  const missing = join(home, 'no such certificates.pem');
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, NODE_EXTRA_CA_CERTS: missing };
  const asked = new Promise<{ env: Record<string, string> }>((resolve) => {
    const server = createServer((socket) => {
      createInterface({ input: socket }).once('line', (line) => {
        socket.end('{"type":"accepted"}\n{"type":"exit","code":0}\n');
        server.close();
        resolve(JSON.parse(line));
      });
    }).listen(join(directory, 'api.sock'));
    server.once('listening', () => {
      const child = spawn('dist/tow.js', ['exec', 'c', '--env', 'NODE_EXTRA_CA_CERTS', 'true'], { env });
      child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
      child.once('close', () => ended());
    });
  });
  const said: string[] = [];
  let ended = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    ended = resolve;
  });
  try {
    const request = await asked;
    await done;
    // It warns of those it cannot read.
    expect(said.join('')).toBe('');
    expect(request.env['NODE_EXTRA_CA_CERTS']).toBe(missing);
    expect(Object.keys(request.env).filter((name) => name.startsWith('TOWLINE_'))).toEqual([]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
