/** File mounts on local nodes, through the built programs: destinations that are the node's own, wherever they lie. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TowHome } from '../helpers/tow.ts';

/** `daemon`, which Linux has everywhere. */
const someUid = 1;

describe.each([
  ['root, in a mount namespace', undefined],
  ['an ordinary user, in a user namespace too', someUid],
])('as %s', (_, uid) => {
  let home: TowHome;
  let project = '';
  /** A directory of this machine, with a file in it, that is a destination. */
  let theirs = '';

  const task = (name: string, ...lines: readonly string[]): string => {
    writeFileSync(join(project, name), `${lines.join('\n')}\n`);
    return name;
  };
  const mountsHere = (): string[] =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(home.home));

  beforeAll(() => {
    home = new TowHome({}, uid);
    project = join(home.home, 'project');
    mkdirSync(join(project, 'set/deep'), { recursive: true });
    writeFileSync(join(project, 'set/deep/a'), 'a1\n');
    writeFileSync(join(project, 'conf'), 'c1\n');
    theirs = mkdtempSync('/var/tmp/tow-theirs-');
    writeFileSync(join(theirs, 'file'), 'of the machine');
    chmodSync(theirs, 0o755);
  });
  afterAll(async () => {
    await home.dispose();
    rmSync(theirs, { recursive: true });
  });

  test('launch puts them where the task says, for the node alone', () => {
    const file = task(
      'task.yaml',
      'file_mounts:',
      '  /towdata/new/set: ./set',
      '  /mnt/tow-e2e: ./set',
      '  /opt/tow-e2e/x/conf: ./conf',
      '  /tmp/tow-e2e: ./set',
      `  ${theirs}: ./set`,
      'run: |',
      `  cat /towdata/new/set/deep/a /mnt/tow-e2e/deep/a /opt/tow-e2e/x/conf /tmp/tow-e2e/deep/a ${theirs}/deep/a`,
      `  ls ${theirs}; find /towdata /mnt/tow-e2e /opt/tow-e2e -type l`,
      '  echo out >/mnt/tow-e2e/out',
      '  ls -d /etc/passwd /var/log /usr/bin/env',
    );
    const { code, stdout, stderr } = home.run(project, 'launch', '-c', 'dev', '--infra', 'local', file);
    expect([code, stderr]).toEqual([0, expect.stringContaining('synced')]);
    expect(
      stdout
        .split('\n')
        .map((line) => line.replace(/^\(.*?\) ?/, ''))
        .join(' '),
    ).toBe('a1 a1 c1 a1 a1 deep /etc/passwd /usr/bin/env /var/log ');
    for (const path of ['/towdata', '/mnt/tow-e2e', '/opt/tow-e2e', '/tmp/tow-e2e'])
      expect(existsSync(path)).toBe(false);
    expect(readdirSync(theirs)).toEqual(['file']);
    expect(mountsHere()).toEqual([]);
  });

  test('exec syncs them with --file-mounts alone, push too; what the job wrote stays', () => {
    const file = task(
      'again.yaml',
      'workdir: .',
      'file_mounts: {/mnt/tow-e2e: ./set, /opt/tow-e2e/x/conf: ./conf}',
      'run: cat /mnt/tow-e2e/deep/a /mnt/tow-e2e/out /opt/tow-e2e/x/conf',
    );
    const lines = (...args: string[]): string[] =>
      home
        .run(project, 'exec', 'dev', ...args)
        .stdout.split('\n')
        .filter((line) => line !== '')
        .map((line) => line.replace(/^\(.*?\) /, ''));
    writeFileSync(join(project, 'set/deep/a'), 'a2\n');
    writeFileSync(join(project, 'conf'), 'c2\n');
    expect(lines(file)).toEqual(['a1', 'out', 'c1']);
    expect(lines('--file-mounts', file)).toEqual(['a2', 'out', 'c2']);
    writeFileSync(join(project, 'conf'), 'c3\n');
    expect(home.run(project, 'push', 'dev', file).code).toBe(0);
    expect(lines(file)).toEqual(['a2', 'out', 'c2']);
    expect(home.run(project, 'push', 'dev', '--file-mounts', file).code).toBe(0);
    expect(lines(file)).toEqual(['a2', 'out', 'c3']);
    const plan = home.events(project, 'exec', 'dev', '--file-mounts', '--dryrun', file);
    expect(plan.flatMap(({ kind, root }) => (kind === 'plan' ? [String(root)] : [])).sort()).toEqual([
      '/mnt/tow-e2e',
      '/opt/tow-e2e/x/conf',
      '~/sky_workdir',
    ]);
  });

  test('a new destination while a job runs: the job goes on, the next one sees it', async () => {
    const job = home.start(project, 'exec', 'dev', 'until [ -e /tmp/go ]; do sleep 0.05; done; cat /mnt/tow-e2e/out');
    await job.spoke;
    const file = task('more.yaml', 'file_mounts: {/srv/tow-e2e: ./set}', 'run: cat /srv/tow-e2e/deep/a');
    expect(home.run(project, 'push', 'dev', '--file-mounts', file)).toMatchObject({ code: 0 });
    writeFileSync(join(home.nodeHome('dev', 'head'), '.tmp/go'), '');
    expect(await job.done).toMatchObject({ code: 0, stdout: expect.stringContaining('out') });
    expect(home.run(project, 'exec', 'dev', file).stdout).toContain('a2');
    expect(existsSync('/srv/tow-e2e')).toBe(false);
  });

  test('the agent is told to stop: it ends before it would be killed', async () => {
    for (const pid of home.agentPids()) process.kill(pid, 'SIGTERM');
    // 5 s later whoever wants it stopped kills it.
    for (const deadline = Date.now() + 4000; home.agentPids().length > 0; ) {
      expect(Date.now()).toBeLessThan(deadline);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  test('the agent is killed: destinations are there for the next one, with what they hold', () => {
    expect(home.run(project, 'exec', 'dev', 'true').code).toBe(0);
    for (const pid of home.agentPids()) process.kill(pid, 'SIGKILL');
    expect(home.run(project, 'exec', 'dev', `cat /mnt/tow-e2e/out ${theirs}/deep/a`).stdout).toContain('out');
  });

  test('inside the workdir the mount wins, and a second sync moves nothing', () => {
    mkdirSync(join(project, 'data'), { recursive: true });
    writeFileSync(join(project, 'data/mine'), 'workdir');
    writeFileSync(join(project, 'data/deep'), 'workdir');
    const file = task('nested.yaml', 'workdir: .', 'file_mounts: {data: ./set}', 'run: find data -type f');
    const first = home.run(project, 'exec', 'dev', '--file-mounts', file);
    expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('data is left out')]);
    for (const args of [['--file-mounts'], [], ['--file-mounts']]) {
      const { stdout } = home.run(project, 'exec', 'dev', ...args, file);
      expect(stdout.trim().replace(/^\(.*?\) /, '')).toBe('data/deep/a');
    }
    expect(home.run(project, 'conflicts', 'ls', 'dev').stderr).toContain('no kept versions');
  });

  test('a system directory is refused before anything is done', () => {
    const file = task('system.yaml', 'file_mounts: {/etc/tow-e2e: ./set}', 'run: echo');
    expect(home.run(project, 'exec', 'dev', '--file-mounts', file)).toMatchObject({
      code: 240,
      stderr: expect.stringContaining("system.yaml:1:15: the destination '/etc/tow-e2e'"),
    });
  });

  test('down leaves no mount, no process and nothing of the node', () => {
    expect(home.run(project, 'down', 'dev').code).toBe(0);
    expect(existsSync(home.nodeHome('dev', 'head'))).toBe(false);
    expect(home.agentPids()).toEqual([]);
    expect(mountsHere()).toEqual([]);
    expect(readFileSync(join(theirs, 'file'), 'utf8')).toBe('of the machine');
  });
});

test('where there is no namespace, they are refused with a hint, and the home works', async () => {
  const bin = mkdtempSync('/var/tmp/tow-bin-');
  writeFileSync(join(bin, 'unshare'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const home = new TowHome({ PATH: `${bin}:${process.env['PATH']}` });
  try {
    writeFileSync(join(home.home, 'file'), 'f1\n');
    for (const dest of ['/towdata/x', '/tmp/tow-e2e', '/mnt/tow-e2e']) {
      writeFileSync(join(home.home, 'bad.yaml'), `file_mounts: {${dest}: ./file}\nrun: "true"\n`);
      const { code, stderr } = home.run(home.home, 'launch', '-c', 'dev', '--infra', 'local', 'bad.yaml');
      expect([code, stderr]).toEqual([
        247,
        expect.stringMatching(new RegExp(`error: .*cannot sync to ${dest}: .*mount namespace[^]*hint: .*unshare`)),
      ]);
      expect(existsSync(dest)).toBe(false);
    }
    writeFileSync(join(home.home, 'good.yaml'), 'file_mounts: {~/x: ./file}\nrun: cat ~/x\n');
    expect(home.run(home.home, 'launch', '-c', 'dev', 'good.yaml').stdout).toContain('f1');
  } finally {
    await home.dispose();
    rmSync(bin, { recursive: true });
  }
});
