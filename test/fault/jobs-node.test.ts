/** Scripts on a node: real runners and real processes, called over a real link. */
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errnoOf } from '../../protocol/base/errors.ts';
import type { ScriptState } from '../../protocol/wire/job.ts';
import { processesNaming, readProc, TestJobNode, until } from '../helpers/job-node.ts';
import { never } from '../helpers/link-pair.ts';

let node: TestJobNode;
beforeEach(() => {
  node = new TestJobNode();
});
afterEach(async () => await node[Symbol.asyncDispose]());

type Env = readonly (readonly [string, string])[];

async function start(script: string, env: Env = [], job = 'j-1'): Promise<ScriptState> {
  const link = await node.link();
  return await link.call(
    'job.start',
    { job, kind: 'run', script, env: env.map(([name, value]) => [name, value]) },
    {},
    never,
  );
}

async function ended(job = 'j-1'): Promise<ScriptState> {
  return await (await node.link()).call('job.state', { job, kind: 'run', wait: true }, {}, never);
}

async function run(script: string, env: Env = []): Promise<{ code: number; output: string }> {
  await start(script, env);
  const state = await ended();
  if (state.state !== 'exited') throw new Error(`the script is ${state.state}`);
  return { code: state.code, output: node.output('j-1') };
}

async function cancel(graceMs: number): Promise<ScriptState> {
  return await (await node.link()).call('job.cancel', { job: 'j-1', kind: 'run', graceMs }, {}, never);
}

async function log(request: { offset?: number; tail?: number; follow?: boolean }): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await (await node.link()).call(
    'job.log',
    { job: 'j-1', kind: 'run', offset: 0, tail: 0, follow: true, ...request },
    { onData: (piece) => void pieces.push(piece) },
    never,
  );
  return Buffer.concat(pieces);
}

describe('a script', () => {
  test.each([
    ['true', 0],
    ['exit 1', 1],
    ['exit 255', 255],
    ['kill -SEGV $$', 139],
    ['kill -KILL $$', 137],
    ['no-such-command-here', 127],
  ])('%s ends with %i', async (script, code) => {
    expect((await run(script)).code).toBe(code);
  });

  test('runs in ~/sky_workdir with what a login has, and nothing of the agent', async () => {
    const { output } = await run('pwd; echo "$HOME:$USER:${SHELL:+shell}:$PYTHONUNBUFFERED:${VITEST-none}:$-"');
    const [cwd, rest] = output.split('\n');
    expect(cwd).toBe(join(node.home, 'sky_workdir'));
    expect(rest).toMatch(new RegExp(`^${node.home}:[^:]+:shell:1:none:[^i]*$`));
  });

  test('gets variables with newlines, quotes and all else as they are', async () => {
    const env: Env = [
      ['NEWLINES', 'a\nb\n\nc\n'],
      ['QUOTES', `'"\`$HOME\\ !x`],
      ['UNICODE', 'ü – 漢字'],
      ['EMPTY', ''],
      ['BASH_ENV', '/does/not/exist'],
    ];
    const { output } = await run(env.map(([name]) => `printf '%s\\0' "$${name}"`).join('; '), env);
    expect(output.split('\0').slice(0, -1)).toEqual(env.map(([, value]) => value));
  });

  test('cannot have a variable that no environment can hold', async () => {
    for (const pair of [
      ['A=B', 'c'],
      ['', 'c'],
      ['A', 'b\0c'],
    ] as const)
      await expect(start('true', [pair])).rejects.toMatchObject({ code: 'invalid-task' });
    expect(readdirSync(node.paths.jobs)).toEqual([]);
  });

  test('that bash cannot be given says why in its output', async () => {
    const { code, output } = await run('true', [['HUGE', 'x'.repeat(200_000)]]);
    expect([code, output]).toEqual([126, expect.stringContaining('E2BIG')]);
  });

  test('has its secrets in no command line, and on the disk neither while it runs nor after', async () => {
    const secret = 'sesame-4711';
    await start('echo "${#TOKEN}"; while [ ! -e go ]; do sleep 0.02; done', [['TOKEN', secret]]);
    await until(() => node.output('j-1').includes('\n'), 'the script');
    const naming = processesNaming(node.home);
    expect(naming.length).toBeGreaterThan(1);
    expect(naming.filter((pid) => readProc(pid, 'cmdline').includes(secret))).toEqual([]);
    // What the runner takes away, or renames into its place, may go between the listing and the look.
    const held = (): string[] =>
      readdirSync(node.home, { recursive: true, encoding: 'utf8' }).filter((name) => {
        try {
          const path = join(node.home, name);
          return statSync(path).isFile() && readFileSync(path, 'latin1').includes(secret);
        } catch (error) {
          if (errnoOf(error) === 'ENOENT') return false;
          throw error;
        }
      });
    expect(held()).toEqual([]);
    for (const name of readdirSync(node.file('j-1', 'run', '.')))
      expect(statSync(node.file('j-1', 'run', name)).mode & 0o077, name).toBe(0);
    writeFileSync(join(node.home, 'sky_workdir', 'go'), '');
    await ended();
    expect(held()).toEqual([]);
    expect(node.output('j-1')).toBe(`${secret.length}\n`);
  });

  test('that is started twice at once, and again, runs once', async () => {
    const script = 'echo ran >> ran; while [ ! -e go ]; do sleep 0.02; done';
    const states = await Promise.all([start(script), start(script), start(script)]);
    expect(new Set(states.map(({ pid }) => pid)).size).toBe(1);
    await node.cut();
    expect(await start(script)).toEqual(states[0]);
    writeFileSync(join(node.home, 'sky_workdir', 'go'), '');
    const end = await ended();
    expect(end).toMatchObject({ state: 'exited', code: 0 });
    expect(await start(script)).toEqual(end);
    expect(readFileSync(join(node.home, 'sky_workdir', 'ran'), 'utf8')).toBe('ran\n');
  });

  test('of another job waits for nobody: it is refused, with the name of the one that runs', async () => {
    await start('sleep 1000');
    await expect(start('true', [], 'j-2')).rejects.toMatchObject({
      code: 'controller-busy',
      message: 'job j-1 is running on this node',
      retryable: true,
    });
    await cancel(10_000);
    expect(await start('true', [], 'j-2')).toMatchObject({ pid: expect.any(Number) });
  });

  test('does not start while a root is switched', async () => {
    let release: () => void = () => undefined;
    const held = node.gate.hold(async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    const started = start('true');
    // Another call on the same link, answered after the start was received.
    const { scripts } = await (await node.link()).call('job.list', {}, {}, never);
    expect(scripts).toEqual([]);
    release();
    await held;
    await started;
    expect(await ended()).toMatchObject({ state: 'exited', code: 0 });
  });

  test('leaves its output; of a hundred jobs before, the oldest goes', async () => {
    for (let n = 0; n < 101; n += 1) {
      const directory = join(node.paths.jobs, `old-${String(n).padStart(3, '0')}`, 'run');
      await writeFinished(directory);
    }
    await run('true');
    expect(readdirSync(node.paths.jobs).sort().slice(0, 2)).toEqual(['j-1', 'old-001']);
  });
});

async function writeFinished(directory: string): Promise<void> {
  const { ScriptDir } = await import('../../agent/jobs/script-dir.ts');
  const script = new ScriptDir(directory);
  script.create('true', { home: '/', cwd: '/', env: [] });
  script.abandon();
  script.ended(0);
}

describe("the account's shell files", () => {
  const rc = (text: string): void => writeFileSync(join(node.home, '.bashrc'), text);

  test('are read as by an interactive shell: variables, functions, umask; the task wins', async () => {
    rc(
      [
        'case $- in *i*) ;; *) return;; esac',
        'echo noise; echo noise >&2',
        'export FROM_RC=rc BOTH=rc',
        'umask 027',
        'shopt -s extglob',
        `pick() { case $1 in !(a|b)) echo "other: 'quoted'";; *) echo same;; esac; }`,
        'sleep 1000 &',
      ].join('\n'),
    );
    const { output } = await run('echo "$FROM_RC $BOTH $(umask)"; pick a; pick c; echo "${BASH_ENV-unset}"', [
      ['BOTH', 'task'],
    ]);
    expect(output).toBe("rc task 0027\nsame\nother: 'quoted'\nunset\n");
  });

  test.each(['exit 3', 'exec true', 'kill -9 $$'])(
    'that end the shell (%s) are done without, and the job says so',
    async (text) => {
      rc(text);
      const { code, output } = await run('echo ran; exit 5');
      expect([code, output]).toEqual([5, expect.stringMatching(/^towline: .*shell files.*\nran\n$/)]);
    },
  );

  test('see no secret of the task', async () => {
    rc('env > "$HOME/seen"');
    await run('true', [['TOKEN', 'sesame-4712']]);
    expect(readFileSync(join(node.home, 'seen'), 'utf8')).not.toContain('sesame');
  });
});

describe('output', () => {
  test('arrives byte by byte, invalid UTF-8 and a last line without its end included', async () => {
    await start(String.raw`printf 'a\xff\xfe\x00b\n'; printf 'err' >&2; printf '\xc3'`);
    expect((await log({})).toString('latin1')).toBe('a\xff\xfe\0b\nerr\xc3');
  });

  test('of 50 MB arrives whole, from any offset, the last bytes before the end too', async () => {
    await start(`seq -f '%015.0f' 1 3200000; printf end`);
    const all = await log({});
    expect(all.length).toBe(3_200_000 * 16 + 3);
    expect(all.equals(readFileSync(node.file('j-1', 'run', 'output')))).toBe(true);
    const from = 51_200_000 - 17;
    expect((await log({ offset: from })).equals(all.subarray(from))).toBe(true);
  });

  test.each([
    ['printf "1\\n2\\n3\\n"', 2, '2\n3\n'],
    ['printf "1\\n2\\n3"', 2, '2\n3'],
    ['printf "\\n\\n\\n"', 2, '\n\n'],
    ['printf "\\n"', 1, '\n'],
    ['printf "1\\n"', 5, '1\n'],
    ['true', 3, ''],
    ['head -c 700000 /dev/zero | tr "\\0" x; echo; echo last', 1, 'last\n'],
  ])('of %s, the last %i lines', async (script, tail, expected) => {
    await run(script);
    expect((await log({ tail, follow: false })).toString()).toBe(expected);
  });

  test('is followed while it is written', async () => {
    await start('echo one; while [ ! -e go ]; do sleep 0.02; done; echo two');
    const pieces: Buffer[] = [];
    const following = (await node.link()).call(
      'job.log',
      { job: 'j-1', kind: 'run', offset: 0, tail: 0, follow: true },
      { onData: (piece) => void pieces.push(piece) },
      never,
    );
    await until(() => Buffer.concat(pieces).toString() === 'one\n', 'the first line');
    writeFileSync(join(node.home, 'sky_workdir', 'go'), '');
    expect(await following).toEqual({ end: 8 });
    expect(Buffer.concat(pieces).toString()).toBe('one\ntwo\n');
  });
});

describe('cancel', () => {
  /** Everything of the script but what the runner itself is. */
  const strays = (runner: number): number[] => processesNaming(node.home).filter((pid) => pid !== runner);

  test('ends all of the script: children, those in process groups of their own, pipelines', async () => {
    const { pid } = await start('sleep 1000 & timeout 1000 sleep 1000 & sleep 1000 | cat & echo up; wait');
    await until(() => node.output('j-1') === 'up\n' && strays(pid).length >= 6, 'the children');
    expect(await cancel(20_000)).toMatchObject({ state: 'exited', code: 143 });
    expect(strays(pid)).toEqual([]);
  });

  test('kills what does not heed it, also when the script itself has ended', async () => {
    const { pid } = await start(`(trap '' TERM; touch deaf; while :; do sleep 0.05; done) & wait`);
    await until(() => existsSync(join(node.home, 'sky_workdir', 'deaf')), 'the deaf child');
    await cancel(300);
    expect(strays(pid)).toEqual([]);
  });

  test('lets a script clean up, and says what it ended with', async () => {
    await start(`trap 'echo bye; exit 3' TERM; touch up; while :; do sleep 0.02; done`);
    await until(() => existsSync(join(node.home, 'sky_workdir', 'up')), 'the trap');
    expect(await cancel(20_000)).toMatchObject({ state: 'exited', code: 3 });
    // Bash may have said first that its child was terminated.
    expect(node.output('j-1')).toMatch(/^(Terminated\n)?bye\n$/);
  });

  test('right after the start, in whatever phase that is, leaves nothing', async () => {
    writeFileSync(join(node.home, '.bashrc'), 'touch "$HOME/reading"; sleep 5\n');
    await start('touch ran; sleep 1000');
    expect(await cancel(20_000)).toMatchObject({ state: 'exited', code: 143 });
    expect(existsSync(join(node.home, 'sky_workdir', 'ran'))).toBe(false);
    await until(() => processesNaming(node.home).length === 0, 'the end of the shell');
  });

  test('of a script that has ended changes nothing', async () => {
    await run('exit 4');
    expect(await cancel(0)).toMatchObject({ state: 'exited', code: 4 });
  });

  test('what a script leaves in the background when it ends by itself goes on', async () => {
    await run('sleep 1000 & echo $! > pid');
    const pid = Number(readFileSync(join(node.home, 'sky_workdir', 'pid'), 'utf8'));
    // The shell does not wait until it has become the program.
    await until(() => readProc(pid, 'cmdline').includes('sleep'), 'the program');
    process.kill(pid, 'SIGKILL');
  });
});

describe('kill -9 of the runner', () => {
  test('makes the script lost, ends its processes, and forgets its environment', async () => {
    const { pid } = await start('sleep 1000 & timeout 1000 sleep 1000 & echo up; wait', [['TOKEN', 'x']]);
    await until(() => node.output('j-1') === 'up\n', 'the script');
    const waiting = ended();
    const following = log({});
    process.kill(pid, 'SIGKILL');
    expect(await waiting).toEqual({ state: 'lost', pid });
    expect((await following).toString()).toBe('up\n');
    await until(() => processesNaming(node.home).length === 0, 'the end of its processes');
    expect(readdirSync(node.file('j-1', 'run', '.')).sort()).toEqual(['claim', 'exit.json.new', 'output', 'script']);
    // The node is free again, and a repeated start starts nothing.
    expect(await start('true')).toEqual({ state: 'lost', pid });
    expect(await start('true', [], 'j-2')).toMatchObject({ pid: expect.any(Number) });
  });

  test('a runner that cannot be had makes the script lost at once', async () => {
    // Claimed by somebody else: what the agent does when it cannot spawn.
    const link = await node.link();
    await start('true');
    await ended();
    const { ScriptDir } = await import('../../agent/jobs/script-dir.ts');
    const directory = new ScriptDir(join(node.paths.jobs, 'j-9', 'run'));
    directory.create('true', { home: node.home, cwd: node.home, env: [['TOKEN', 'x']] });
    directory.abandon();
    expect(await link.call('job.state', { job: 'j-9', kind: 'run', wait: true }, {}, never)).toEqual({
      state: 'lost',
      pid: 0,
    });
    expect(directory.claim()).toBe(false);
    expect(existsSync(node.file('j-9', 'run', 'spec.json'))).toBe(false);
  });

  test('a claim of before the last boot, or of a pid that is another process now, is of no living runner', async () => {
    const link = await node.link();
    const { ScriptDir } = await import('../../agent/jobs/script-dir.ts');
    const own = readProc(process.pid, 'stat').split(') ')[1]?.split(' ')[19] ?? '';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    for (const [job, claim] of [
      ['boot', { pid: process.pid, startTime: own, boot: 'another' }],
      ['pid', { pid: process.pid, startTime: '1', boot }],
    ] as const) {
      const directory = new ScriptDir(join(node.paths.jobs, job, 'run'));
      directory.create('true', { home: node.home, cwd: node.home, env: [] });
      const file = join(directory.path, 'claim');
      writeFileSync(file, JSON.stringify(claim));
      chmodSync(file, 0o600);
      expect(await link.call('job.state', { job, kind: 'run', wait: true }, {}, never)).toMatchObject({
        state: 'lost',
      });
    }
  });
});
