import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { uninstallSshNode } from '../../controller/cluster/ssh/ssh-node.ts';
import { buildDiallingAgent, type Hello, SshController } from '../helpers/ssh-controller.ts';
import { cleanHost, type TestHost, testHosts } from '../helpers/ssh-hosts.ts';

let dist: string;
let host: TestHost;
const never = new AbortController().signal;
const buildFiles = ['agent.mjs', 'koffi.node', 'sdk-aws.mjs', 'sdk-google.mjs'];

beforeAll(async () => {
  dist = await buildDiallingAgent(mkdtempSync('/tmp/tow-dist-'));
  const [first] = testHosts(2);
  if (first === undefined) throw new Error('no host');
  host = first;
});
afterAll(() => {
  cleanHost(host);
  rmSync(dist, { recursive: true });
});
beforeEach(() => cleanHost(host));

/** Sends bytes to the agent, which gives them back, and returns what came. */
async function echo({ socket }: Hello, bytes: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [];
  let count = 0;
  socket.resume();
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (data) => {
      parts.push(Buffer.from(data));
      count += data.length;
      if (count >= bytes.length) resolve();
    });
    socket.on('close', () => reject(new Error(`closed after ${count} bytes`)));
    socket.write(bytes);
  });
  return Buffer.concat(parts);
}

test('a first connection installs, enrols and starts the agent, and its link carries bytes both ways', async () => {
  await using controller = new SshController();
  const options = controller.options(host, dist);
  const before = performance.now();
  const node = await controller.connect(options);
  const hello = await controller.hello();
  console.log(`first connect and install: ${Math.round(performance.now() - before)} ms`);
  expect(node.state).toBe('connected');
  expect(node.tunnel).toBe('forward');
  expect(hello.keyId).toBe(options.identity.keyId);
  const bytes = randomBytes(4 << 20);
  expect(Buffer.compare(await echo(hello, bytes), bytes)).toBe(0);

  const builds = `${host.home}/.towline/agent/builds/testbuild`;
  for (const name of buildFiles) {
    expect(Buffer.compare(readFileSync(join(builds, name)), readFileSync(join(dist, name)))).toBe(0);
  }
  expect(host.run(`ls -A ${builds}`).trim().split('\n')).toEqual(buildFiles);
  expect(host.run('stat -c %a ~/.towline/agent/*/identity.json ~/.towline/agent/*/run').trim()).toBe('600\n700');
  expect(host.run('stat -c %a ~/.towline/agent/*/run/link-*.sock').trim()).toBe('600');
  const commandLines = execFileSync('bash', [
    '-c',
    'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\0" " "',
  ]);
  expect(commandLines.includes(options.identity.secret)).toBe(false);
});

test('a second connection sends nothing and finds the same agent', async () => {
  await using controller = new SshController();
  const options = controller.options(host, dist);
  const first = await controller.connect(options);
  const { pid } = await controller.hello();
  const inode = host.run('stat -c %i ~/.towline/agent/builds/testbuild/agent.mjs');
  await first[Symbol.asyncDispose]();
  const before = performance.now();
  await controller.connect(options);
  expect((await controller.hello()).pid).toBe(pid);
  console.log(`second connect: ${Math.round(performance.now() - before)} ms`);
  expect(host.run('stat -c %i ~/.towline/agent/builds/testbuild/agent.mjs')).toBe(inode);
});

test('a damaged build is sent again', async () => {
  await using controller = new SshController();
  const options = controller.options(host, dist);
  await (await controller.connect(options))[Symbol.asyncDispose]();
  host.run('cd ~/.towline/agent/builds/testbuild && : > agent.mjs && rm koffi.node');
  await controller.connect(options);
  const builds = `${host.home}/.towline/agent/builds/testbuild`;
  for (const name of buildFiles) {
    expect(Buffer.compare(readFileSync(join(builds, name)), readFileSync(join(dist, name)))).toBe(0);
  }
});

test('a connection that is killed is made again, and the agent dials again', async () => {
  await using controller = new SshController();
  const options = controller.options(host, dist);
  const node = await controller.connect(options);
  const { pid, socket } = await controller.hello();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.resume();
  const before = performance.now();
  host.runAsRoot(`pkill -KILL -u ${host.user} sshd`);
  await closed;
  expect((await controller.hello()).pid).toBe(pid);
  console.log(`reconnect: ${Math.round(performance.now() - before)} ms`);
  await controller.state(node, 'connected');
  expect(controller.states).toEqual(['connected', 'reconnecting', 'connected']);
});

test('a host that was rebooted gets its agent started again', async () => {
  await using controller = new SshController();
  await controller.connect(controller.options(host, dist));
  const { socket } = await controller.hello();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.resume();
  host.runAsRoot(`pkill -KILL -u ${host.user}`);
  await closed;
  const again = await controller.hello();
  const bytes = randomBytes(100_000);
  expect(Buffer.compare(await echo(again, bytes), bytes)).toBe(0);
});

test('an agent that was killed is started again by whoever wants it, though the connection never broke', async () => {
  await using controller = new SshController();
  const options = controller.options(host, dist);
  const node = await controller.connect(options);
  const { pid, socket } = await controller.hello();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.resume();
  host.runAsRoot(`kill -KILL ${pid}`);
  await closed;
  await node.reconnect(options, new AbortController().signal);
  expect((await controller.hello()).pid).not.toBe(pid);
  expect(controller.states).toEqual(['connected']);
});

test('the node starts its agent again by itself when told that it is gone', async () => {
  await using controller = new SshController();
  const node = await controller.connect(controller.options(host, dist));
  const { pid, socket } = await controller.hello();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.resume();
  await node.wake(never);
  host.runAsRoot(`kill -KILL ${pid}`);
  await closed;
  await node.wake(never);
  expect((await controller.hello()).pid).not.toBe(pid);
  expect(controller.states).toEqual(['connected']);
});

test.each(['AllowStreamLocalForwarding no', 'DisableForwarding yes'])(
  'with %s the link runs over stdin and stdout, again and again',
  async (line) => {
    host.configureSshd(line);
    await using controller = new SshController();
    const node = await controller.connect(controller.options(host, dist));
    const hello = await controller.hello();
    expect(node.tunnel).toBe('bridge');
    const bytes = randomBytes(4 << 20);
    expect(Buffer.compare(await echo(hello, bytes), bytes)).toBe(0);
    hello.socket.destroy();
    const again = await controller.hello();
    expect(again.pid).toBe(hello.pid);
    expect(Buffer.compare(await echo(again, bytes), bytes)).toBe(0);
    expect(host.run('ls ~/.towline/agent/*/run').trim()).toBe('');
  },
);

test('an account of another controller is refused by its name, and taken over on request', async () => {
  await using first = new SshController();
  await using second = new SshController();
  await first.connect(first.options(host, dist));
  await first.hello();
  const options = second.options(host, dist);
  await expect(second.connect(options)).rejects.toMatchObject({
    code: 'node-taken',
    message: expect.stringContaining(`me@${first.home.slice(5)}`),
    hint: expect.stringContaining('--take-over'),
  });
  await expect(first.connect(first.options(host, dist, { identity: first.identity('other') }))).rejects.toMatchObject({
    code: 'node-in-use',
    message: expect.stringContaining('cluster dev'),
  });
  await second.connect({ ...options, takeOver: true });
  expect((await second.hello()).keyId).toBe(options.identity.keyId);
});

test('a node that another controller took over is not taken back by itself', async () => {
  await using first = new SshController();
  await using second = new SshController();
  const node = await first.connect(first.options(host, dist));
  await first.hello();
  await second.connect({ ...second.options(host, dist), takeOver: true });
  host.runAsRoot(`pkill -KILL -u ${host.user} sshd`);
  await first.state(node, 'refused');
  expect(node.failure?.code).toBe('node-taken');
});

test('a node without Node gets one, once', async () => {
  const nodes = host.runAsRoot('which -a node | xargs -n 1 realpath | sort -u').trim().split('\n');
  for (const node of nodes) host.runAsRoot(`mount --bind /dev/null ${node}`);
  try {
    expect(() => host.run('node --version')).toThrow();
    await using controller = new SshController();
    const options = controller.options(host, dist);
    const before = performance.now();
    const node = await controller.connect(options);
    await controller.hello();
    console.log(`first connect with a Node to send: ${Math.round(performance.now() - before)} ms`);
    expect(host.run('~/.towline/agent/node/24.21.0/bin/node --version').trim()).toBe('v24.21.0');
    expect(controller.notes.join()).toContain('sending Node 24.21.0');
    await node[Symbol.asyncDispose]();
    controller.notes.length = 0;
    await controller.connect(options);
    await controller.hello();
    expect(controller.notes.join()).not.toContain('sending');
  } finally {
    for (const node of nodes) host.runAsRoot(`umount ${node}`);
  }
}, 180_000);

test.each([false, true])('uninstalling ends the agent and its identity (purge: %s)', async (purge) => {
  await using controller = new SshController();
  const options = controller.options(host, dist);
  const node = await controller.connect(options);
  await controller.hello();
  await node[Symbol.asyncDispose]();
  const request = { ...options, keyId: options.identity.keyId, purge };
  await expect(uninstallSshNode({ ...request, keyId: 'another' }, never)).resolves.toBe(false);
  await expect(uninstallSshNode(request, never)).resolves.toBe(true);
  expect(
    host
      .run(
        'find ~/.towline -name identity.json; ps -u $(id -u) -o stat=,pid=,args= | grep -v ^Z | grep [a]gent.mjs || true',
      )
      .trim(),
  ).toBe('');
  expect(host.run('ls ~/.towline/agent').trim() === '').toBe(purge);
});

test('where cron runs, the agent is started after a reboot, until it is uninstalled', async () => {
  await using controller = new SshController();
  host.run('echo "0 5 * * * true" | crontab -');
  host.runAsRoot('rm -f /run/crond.pid; cron');
  try {
    const options = controller.options(host, dist);
    const node = await controller.connect(options);
    expect(node.supervision).toBe('cron');
    expect(host.run('crontab -l')).toMatch(
      /^0 5 \* \* \* true\n@reboot '.*' '.*agent\.mjs' 'start' # towline [0-9a-f]{12}\n$/,
    );
    await node[Symbol.asyncDispose]();
    await uninstallSshNode({ ...options, keyId: options.identity.keyId, purge: false }, never);
    expect(host.run('crontab -l')).toBe('0 5 * * * true\n');
  } finally {
    host.runAsRoot('pkill -x cron; rm -f /run/crond.pid');
    host.run('crontab -r');
  }
});
