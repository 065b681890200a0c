/** Runners that are ready before their script: what they must not change, and that none is ever left over. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bundle, processesNaming, readProc, TestJobNode, until } from '../helpers/job-node.ts';
import { never } from '../helpers/link-pair.ts';

let node: TestJobNode;
beforeEach(() => {
  node = new TestJobNode();
});
afterEach(async () => await node[Symbol.asyncDispose]());

/** Runners of this node that were given no directory on their command line. */
function spares(): number[] {
  return processesNaming('agent.mjs\0runner\0').filter((pid) => {
    try {
      return readProc(pid, 'cmdline').endsWith('\0runner\0') && readlinkSync(`/proc/${pid}/cwd`) === node.home;
    } catch {
      // It has ended.
      return false;
    }
  });
}

async function start(script: string, job = 'j-1'): Promise<number> {
  return (await (await node.link()).call('job.start', { job, kind: 'run', script, env: [] }, {}, never)).pid;
}

async function ended(job = 'j-1'): Promise<unknown> {
  return await (await node.link()).call('job.state', { job, kind: 'run', wait: true }, {}, never);
}

async function expectJob(pulls: number): Promise<number> {
  await (await node.link()).call('job.expect', { pulls }, {}, never);
  await until(() => spares().length === 1, 'the runner');
  return spares()[0] ?? 0;
}

function rc(text: string): void {
  writeFileSync(join(node.home, '.bashrc'), text);
}

test('an expected script runs under the runner that is ready; shell files count as they are after the last pull', async () => {
  rc('touch "$HOME/too-soon"');
  const spare = await expectJob(2);
  node.runners.pulled();
  rc('export SEEN=$SEEN+1; touch "$HOME/read"');
  node.runners.pulled();
  await until(() => existsSync(join(node.home, 'read')), 'the reading');
  rc('export SEEN=too-late');
  expect(await start('echo "$SEEN"')).toBe(spare);
  expect(await ended()).toEqual({ state: 'exited', pid: spare, code: 0 });
  expect([node.output('j-1'), existsSync(join(node.home, 'too-soon'))]).toEqual(['+1\n', false]);
});

test('what one script writes into shell files, the next one sees', async () => {
  const first = await expectJob(0);
  expect(await start('echo export FROM_FIRST=1 > ~/.bashrc')).toBe(first);
  await ended();
  const next = (): number | undefined => spares().find((pid) => pid !== first);
  await until(() => next() !== undefined, 'the next runner');
  const second = next();
  expect(await start('echo "$FROM_FIRST"', 'j-2')).toBe(second);
  await ended('j-2');
  expect(node.output('j-2')).toBe('1\n');
});

test('shell files that were read for a script that never came are not used', async () => {
  rc('export SEEN=old; touch "$HOME/read"');
  await expectJob(0);
  await until(() => existsSync(join(node.home, 'read')), 'the reading');
  rc('export SEEN=new');
  await expectJob(1);
  await start('echo "$SEEN"');
  await ended();
  expect(node.output('j-1')).toBe('new\n');
});

test('a runner that is killed before or after it is told what to run is replaced', async () => {
  process.kill(await expectJob(0), 'SIGKILL');
  await until(() => spares().length === 0, 'its end');
  await start('echo one');
  await ended();
  const spare = await expectJob(0);
  process.kill(spare, 'SIGSTOP');
  const started = start('echo two', 'j-2');
  await until(() => existsSync(join(node.paths.jobs, 'j-2', 'run')), 'the directory');
  process.kill(spare, 'SIGKILL');
  expect(await started).not.toBe(spare);
  await ended('j-2');
  expect([node.output('j-1'), node.output('j-2')]).toEqual(['one\n', 'two\n']);
});

test('a script that is cancelled while shell files are read ahead does not run', async () => {
  rc('touch "$HOME/reading"; sleep 5');
  await expectJob(0);
  await until(() => existsSync(join(node.home, 'reading')), 'the reading');
  await start('touch ran');
  const link = await node.link();
  expect(await link.call('job.cancel', { job: 'j-1', kind: 'run', graceMs: 20_000 }, {}, never)).toMatchObject({
    state: 'exited',
    code: 143,
  });
  expect(existsSync(join(node.home, 'sky_workdir', 'ran'))).toBe(false);
});

test('a runner that is ready ends with its agent, kill -9 and half-read shell files included', async () => {
  rc('touch "$HOME/reading"; sleep 1000');
  const agent = agentWithRunner();
  await until(() => existsSync(join(node.home, 'reading')), 'the reading');
  expect(spares().length).toBe(1);
  agent.kill('SIGKILL');
  await until(() => spares().length === 0 && processesNaming(node.home).length === 0, 'the end of all');
});

/** A process that has a runner ready, as an agent has. */
function agentWithRunner(): ChildProcess {
  const code = `
    const { spawn } = require('node:child_process');
    const runner = spawn(process.execPath, [process.argv[1], 'runner'], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: process.argv[2] });
    runner.stdin.write(JSON.stringify(['shell-files', process.argv[2]]) + '\\n');
  `;
  return spawn(process.execPath, ['-e', code, bundle, node.home]);
}
