/** The main job on local nodes, through the built programs, as a user runs it. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TowHome } from '../helpers/tow.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let home: TowHome;
let project = '';
let work = '';

beforeAll(() => {
  home = new TowHome();
  project = join(home.home, 'project');
  mkdirSync(join(project, 'data'), { recursive: true });
  writeFileSync(join(project, '.gitignore'), 'data/\n');
  writeFileSync(join(project, 'data/big'), 'x');
  writeFileSync(join(project, 'train.py'), 'v1\n');
  mkdirSync(join(home.home, 'conf'));
  writeFileSync(join(home.home, 'conf/inner'), 'i1');
  writeFileSync(join(home.home, 'vimrc'), 'set number\n');
  writeFileSync(
    join(project, 'task.yaml'),
    [
      'name: demo',
      'workdir: .',
      'num_nodes: 2',
      'envs: {GREETING: hello}',
      'file_mounts:',
      '  ~/.vimrc: ~/vimrc',
      '  ~/conf: ~/conf',
      '  /tmp/ignored: ./data',
      'setup: echo "setup $SKYPILOT_SETUP_NODE_RANK"',
      'run: |',
      '  echo "$GREETING rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES: $(cat train.py)"',
      '',
    ].join('\n'),
  );
  work = join(home.nodeHome('dev', 'head'), 'sky_workdir');
});
afterAll(() => home.dispose());

describe('launch and exec', () => {
  test('launch makes the cluster, syncs workdir and mounts, runs setup, then the job on all ranks', () => {
    const { code, stdout, stderr } = home.run(project, 'launch', '-c', 'dev', '--infra', 'local', 'task.yaml');
    expect([code, stderr]).toEqual([0, expect.stringContaining('synced')]);
    for (const line of [
      '(head, setup, pid=',
      '(worker1, setup, pid=',
      'hello rank 0 of 2: v1',
      'hello rank 1 of 2: v1',
    ])
      expect(stdout).toContain(line);
    for (const node of ['head', 'worker1']) {
      const at = home.nodeHome('dev', node);
      expect(existsSync(join(at, 'sky_workdir/data'))).toBe(false);
      expect(readFileSync(join(at, '.vimrc'), 'utf8')).toBe('set number\n');
      expect(readFileSync(join(at, 'conf/inner'), 'utf8')).toBe('i1');
      // The user named a directory that the repository ignores: it goes.
      expect(readFileSync(join(at, '.tmp/ignored/big'), 'utf8')).toBe('x');
    }
  });

  test('an edit of a mount goes with the next launch alone, --no-setup included', () => {
    writeFileSync(join(home.home, 'conf/inner'), 'i2');
    home.run(project, 'exec', 'dev', 'task.yaml');
    expect(readFileSync(join(home.nodeHome('dev', 'worker1'), 'conf/inner'), 'utf8')).toBe('i1');
    const { stdout } = home.run(project, 'launch', '-c', 'dev', '--no-setup', 'task.yaml');
    expect(stdout).not.toContain('setup');
    expect(readFileSync(join(home.nodeHome('dev', 'worker1'), 'conf/inner'), 'utf8')).toBe('i2');
  });

  test('exec brings the edit; outputs of the job stay and are no conflict', () => {
    writeFileSync(join(project, 'train.py'), 'v2\n');
    expect(home.run(project, 'exec', 'dev', 'cat train.py; echo mine > out').stdout).toContain('v2');
    home.run(project, 'exec', 'dev', 'true');
    expect(readFileSync(join(work, 'out'), 'utf8')).toBe('mine\n');
    expect(home.run(project, 'conflicts', 'ls', 'dev').stderr).toContain('no kept versions');
  });

  test('an edit in the same second that keeps size and mtime is sent', () => {
    const file = join(project, 'train.py');
    const { atime, mtime } = statSync(file);
    writeFileSync(file, 'v3\n');
    utimesSync(file, atime, mtime);
    expect(home.run(project, 'exec', 'dev', 'cat train.py').stdout).toContain('v3');
  });

  test('an edit while a sync runs is in the next one, and so is a file put in place by rename', async () => {
    for (let n = 0; n < 500; n += 1) writeFileSync(join(project, `many-${n}`), `${n}`);
    const sync = home.start(project, 'exec', 'dev', 'true');
    const state = { over: false };
    const done = sync.done.finally(() => {
      state.over = true;
    });
    for (let edits = 0; !state.over; edits += 1) {
      writeFileSync(join(project, `many-${edits % 500}`), `edit ${edits}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // A source that never rests is said to be unstable.
    expect([0, 246]).toContain((await done).code);
    writeFileSync(join(project, 'new'), 'by rename');
    renameSync(join(project, 'new'), join(project, 'many-0'));
    expect(home.run(project, 'exec', 'dev', 'cat many-*').code).toBe(0);
    for (let n = 0; n < 500; n += 1)
      expect(readFileSync(join(work, `many-${n}`), 'utf8')).toBe(readFileSync(join(project, `many-${n}`), 'utf8'));
    for (let n = 0; n < 500; n += 1) rmSync(join(project, `many-${n}`));
    expect(home.run(project, 'exec', 'dev', '--allow-delete', 'true').code).toBe(0);
  });

  test("exit codes are the job's own; the first failing rank cancels the rest", () => {
    expect(home.run(project, 'exec', 'dev', 'exit 7').code).toBe(7);
    const { code, stderr } = home.run(project, 'exec', 'dev', '[ $SKYPILOT_NODE_RANK = 0 ] && exit 3; sleep 100');
    expect(code).toBe(3);
    expect(stderr).toContain('exit codes by rank: 3, 137');
    expect(home.run(project, 'logs', 'dev', '--status').code).toBe(3);
  });

  test('two clusters from one workdir: each has what its last exec brought', () => {
    home.run(project, 'launch', '-c', 'two', '--infra', 'local', '--num-nodes', '1', '--workdir', '.', 'true');
    writeFileSync(join(project, 'train.py'), 'v4\n');
    home.run(project, 'exec', 'two', 'true');
    expect(readFileSync(join(home.nodeHome('two', 'head'), 'sky_workdir/train.py'), 'utf8')).toBe('v4\n');
    expect(readFileSync(join(work, 'train.py'), 'utf8')).toBe('v3\n');
    home.run(project, 'exec', 'dev', 'true');
    expect(readFileSync(join(work, 'train.py'), 'utf8')).toBe('v4\n');
    expect(home.run(project, 'down', 'two').code).toBe(0);
    expect(existsSync(home.nodeHome('two', 'head'))).toBe(false);
  });

  test('a change on the node is kept, listed, put back', () => {
    home.run(project, 'exec', 'dev', 'echo node >> train.py');
    home.run(project, 'push', 'dev');
    const rows = home.events(project, 'conflicts', 'ls', 'dev').filter(({ kind }) => kind === 'conflict');
    expect(rows.map(({ path, reason }) => [path, reason])).toEqual(
      [0, 1].map(() => ['~/sky_workdir/train.py', 'changed']),
    );
    expect(home.run(project, 'conflicts', 'restore', 'dev', String(rows[0]?.['id'])).code).toBe(0);
    home.run(project, 'push', 'dev');
    expect(home.run(project, 'conflicts', 'prune', 'dev', '--all').code).toBe(0);
    expect(home.run(project, 'conflicts', 'ls', 'dev').stderr).toContain('no kept versions');
    expect(readFileSync(join(work, 'train.py'), 'utf8')).toBe('v4\n');
  });

  test("a workdir that is the home never takes Towline's own directory along", () => {
    home.run(home.home, 'launch', '-c', 'own', '--infra', 'local', '--workdir', '.', 'true');
    const there = join(home.nodeHome('own', 'head'), 'sky_workdir');
    expect([existsSync(join(there, 'vimrc')), existsSync(join(there, '.towline'))]).toEqual([true, false]);
    home.run(home.home, 'down', 'own');
  });

  test('secrets reach the job by environment and stay on no disk', () => {
    const secret = 'sesame-1234567';
    expect(home.run(project, 'exec', 'dev', '--secret', `TOKEN=${secret}`, 'echo "${#TOKEN}"').stdout).toContain(
      String(secret.length),
    );
    for (const node of ['head', 'worker1']) expect(grepFor(home.nodeHome('dev', node), secret)).toEqual([]);
    expect(grepFor(join(home.home, '.towline', 'controller'), secret)).toEqual([]);
  });
});

/** Files below a directory whose bytes hold the text. */
function grepFor(directory: string, text: string): string[] {
  return [...readTree(directory)]
    .filter(
      ([path, { kind }]) =>
        kind === 'file' && readFileSync(Buffer.from(`${directory}/${path}`, 'latin1')).includes(text),
    )
    .map(([path]) => path);
}

describe('the controller', () => {
  test('is killed: the next command finds the cluster, the agents come back, a running job goes on', async () => {
    const job = home.start(
      project,
      'exec',
      'dev',
      'for i in $(seq 40); do echo tick $i; sleep 0.1; done; echo done-$SKYPILOT_NODE_RANK',
    );
    await until(() => home.run(project, 'logs', 'dev', '--no-follow').stdout.includes('tick 3'));
    process.kill(home.controllerPid(), 'SIGKILL');
    expect((await job.done).stderr).toContain('the controller went away');
    const { stdout } = home.run(project, 'logs', 'dev');
    for (const text of ['done-0', 'done-1', 'tick 1\n', 'tick 40\n']) expect(stdout).toContain(text);
    expect(home.run(project, 'logs', 'dev', '--status').code).toBe(0);
  });

  test('is killed while it sends a job: the nodes say whether it was sent', async () => {
    const job = home.start(project, 'exec', 'dev', 'for i in $(seq 20); do echo tock $i; sleep 0.1; done');
    await until(() => home.run(project, 'logs', 'dev', '--no-follow').stdout.includes('tock 3'));
    process.kill(home.controllerPid(), 'SIGKILL');
    await job.done;
    // As the disk is when the crash comes before the record that says RUNNING, or before anything was sent.
    const records = join(home.home, '.towline/controller/jobs/dev');
    const number = Math.max(...readdirSync(records).map((name) => Number.parseInt(name, 10)));
    const text = readFileSync(join(records, `${number}.json`), 'utf8');
    const sent = text.replace('"state":"RUNNING"', '"state":"INIT"');
    const unsent = sent.replaceAll(new RegExp(`(?<="number":|"id":"[0-9a-f]+-)${number}`, 'g'), `${number + 1}`);
    writeFileSync(join(records, `${number}.json`), sent);
    writeFileSync(join(records, `${number + 1}.json`), unsent);
    expect(home.run(project, 'logs', 'dev', `${number}`).stdout).toContain('tock 20\n');
    expect(home.run(project, 'logs', 'dev', `${number}`, '--status').code).toBe(0);
    const { stdout, stderr } = home.run(project, 'logs', 'dev', `${number + 1}`);
    expect([stdout, stderr]).toEqual(['', expect.stringContaining('it did not run')]);
    expect(home.run(project, 'logs', 'dev', `${number + 1}`, '--status').code).toBe(1);
  });

  test('a sync that fails leaves no job behind', () => {
    const jobs = (): string[] => readdirSync(join(home.home, '.towline/controller/jobs/dev'));
    const before = jobs();
    writeFileSync(join(project, 'task-other.yaml'), `workdir: ${join(home.home, 'conf')}\nrun: echo ran\n`);
    expect(home.run(project, 'exec', 'dev', 'task-other.yaml')).toMatchObject({ code: 247, stdout: '' });
    expect(jobs()).toEqual(before);
  });

  test('kill -9 of the agents: the job goes on, its output is whole, and the agents are started again', async () => {
    const job = home.start(
      project,
      'exec',
      'dev',
      'for i in $(seq 30); do echo tick $i; sleep 0.1; done; echo done-$SKYPILOT_NODE_RANK',
    );
    await until(() => home.run(project, 'logs', 'dev', '--no-follow').stdout.includes('tick 3'));
    for (const pid of home.agentPids()) process.kill(pid, 'SIGKILL');
    const { code, stdout } = await job.done;
    expect(code).toBe(0);
    for (const rank of [0, 1]) {
      const lines = stdout.split('\n').filter((line) => line.includes(`rank=${rank},`));
      expect(lines.map((line) => line.replace(/^.*?\) /, ''))).toEqual([
        ...Array.from({ length: 30 }, (_, n) => `tick ${n + 1}`),
        `done-${rank}`,
      ]);
    }
    // After a job each agent has a runner ready for the next one: none is left over.
    expect(home.run(project, 'exec', 'dev', 'true').code).toBe(0);
    await until(() => home.runnerPids().length === 2);
    for (const pid of home.agentPids()) process.kill(pid, 'SIGKILL');
    await until(() => home.runnerPids().length === 0, 2000);
  });

  test('kill -9 of the agents and of all they run: who waits for the job hears of its end, with no other command', async () => {
    expect(home.run(project, 'exec', 'dev', '-d', 'echo on; sleep 600').code).toBe(0);
    await until(() => home.run(project, 'logs', 'dev', '--no-follow').stdout.includes('on'));
    const status = home.start(project, 'logs', 'dev', '--status');
    const [agents, runners] = [home.agentPids(), home.runnerPids()];
    // Neither may see the other's end.
    for (const pid of [...agents, ...runners]) process.kill(pid, 'SIGSTOP');
    for (const pid of [...agents, ...runners]) process.kill(pid, 'SIGKILL');
    expect((await status.done).code).toBe(239);
    expect(home.run(project, 'exec', 'dev', 'true').code).toBe(0);
  });

  test('two first commands at once start one controller', async () => {
    home.run(project, 'stop');
    const both = await Promise.all([home.start(project, 'status').done, home.start(project, 'status').done]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    // The one too many does not wait for the other's end, to come back after `tow stop`.
    await until(() => home.controllerPids().length === 1, 2000);
  });

  test('SIGINT before the job leaves the nodes as they were', async () => {
    for (let n = 0; n < 300; n += 1) writeFileSync(join(project, `many${n}`), Buffer.alloc(20_000, n));
    const before = readTree(work);
    const run = home.start(project, 'exec', 'dev', 'true');
    await run.spoke;
    process.kill(run.pid, 'SIGINT');
    const { code } = await run.done;
    expect([0, 251]).toContain(code);
    if (code === 251) expect(missingOrDifferent(before, readTree(work))).toEqual([]);
    for (let n = 0; n < 300; n += 1) rmSync(join(project, `many${n}`));
  });
});

async function until(met: () => boolean, patienceMs = 30_000): Promise<void> {
  for (const deadline = Date.now() + patienceMs; !met(); ) {
    if (Date.now() > deadline) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('bad input is a three-part error with its exit code, and nothing is lost', () => {
  test.each([
    [['exec', 'nope', 'true'], 241, 'there is no cluster nope'],
    [['launch', '-c', 'Bad_Name', 'true'], 240, 'cluster name'],
    [['launch', '-c', 'x', '--infra', 'ssh/nope', 'true'], 241, 'there is no pool'],
    [['exec', 'dev', '--workdir', '/does/not/exist', 'true'], 240, 'does not exist'],
    [['exec', 'dev', 'missing.yaml'], 240, 'missing.yaml'],
    [['exec', 'dev', '--bogus', 'true'], 240, 'no option --bogus'],
    [['frobnicate'], 240, 'no command'],
    [['logs', 'dev', '999'], 241, 'no job 999'],
    [['launch', '-c', 'dev', '--num-nodes', '5', 'true'], 240, '5 are asked for'],
    [['conflicts', 'restore', 'dev', 'nope'], 241, 'no kept version'],
    [['watch', 'dev'], 249, 'not built yet'],
  ])('tow %j', (args, code, message) => {
    const ran = home.run(project, ...args);
    expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(ran.stderr).toMatch(/^error: /m);
    expect(ran.stderr).toMatch(/^hint: /m);
    const last = home.events(project, ...args).at(-1);
    expect(last).toMatchObject({ v: 1, type: 'error', error: { message: expect.stringContaining(message) } });
  });

  test('an unknown key names the nearest, with line and column', () => {
    writeFileSync(join(project, 'bad.yaml'), 'name: x\nworkdri: .\n');
    const { code, stderr } = home.run(project, 'exec', 'dev', 'bad.yaml');
    expect([code, stderr]).toEqual([240, expect.stringMatching(/bad\.yaml:2:1.*workdri[\s\S]*workdir/)]);
    rmSync(join(project, 'bad.yaml'));
  });

  test('another workdir than last time is refused, and taken when told', () => {
    const other = join(home.home, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'o'), '1');
    expect(home.run(other, 'exec', 'dev', '--workdir', '.', 'true')).toMatchObject({
      code: 247,
      stderr: expect.stringContaining('--allow-delete'),
    });
    expect(existsSync(join(work, 'train.py'))).toBe(true);
  });
});
