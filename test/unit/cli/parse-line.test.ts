import { describe, expect, test } from 'vitest';
import { parseLine } from '../../../controller/cli/parse-line.ts';
import { TowError } from '../../../protocol/base/errors.ts';

function parse(line: string, env: Record<string, string> = {}) {
  return parseLine(
    line.split(' ').filter((word) => word !== ''),
    env,
  );
}

function errorOf(line: string): { code: string; message: string; hint: string | undefined } {
  try {
    parse(line);
  } catch (error) {
    if (error instanceof TowError) return { code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error(`${line} was accepted`);
}

describe('a command line', () => {
  test('launch takes all of its options', () => {
    expect(
      parse(
        'launch -c dev --infra ssh/lab --num-nodes 2 --env A=1 --env B --secret T=2 -d --no-setup --via s3://b/p --json t.yaml',
      ),
    ).toMatchObject({
      type: 'run',
      json: true,
      wantedEnv: ['B'],
      command: {
        command: 'launch',
        cluster: 'dev',
        infra: 'ssh/lab',
        numNodes: 2,
        detach: true,
        noSetup: true,
        via: 's3://b/p',
        task: { entry: 't.yaml', env: ['A=1', 'B'], secret: ['T=2'] },
      },
    });
  });

  test('exec, logs, cancel, pool and conflicts', () => {
    expect(parse('exec dev ls --no-workdir')).toMatchObject({
      command: { cluster: 'dev', task: { entry: 'ls', noWorkdir: true } },
    });
    expect(parse('logs dev 3 --tail 5 --no-follow')).toMatchObject({ command: { job: '3', tail: 5, follow: false } });
    expect(parse('cancel dev 1 2')).toMatchObject({ command: { jobs: ['1', '2'], all: false } });
    expect(parse('pool add lab a b --port 22')).toMatchObject({
      command: { command: 'pool-add', pool: 'lab', hosts: ['a', 'b'], port: 22 },
    });
    expect(parse('conflicts restore dev x')).toMatchObject({ command: { command: 'conflicts-restore', ids: ['x'] } });
  });

  test('storage gc', () => {
    expect(parse('storage gc s3://b/p')).toMatchObject({
      command: { command: 'storage-gc', uri: 's3://b/p', days: 30 },
    });
    expect(parse('storage gc s3://b/p --days 7')).toMatchObject({ command: { days: 7 } });
  });

  test('progress comes from the line, then from TOWLINE_PROGRESS', () => {
    expect(parse('status', { TOWLINE_PROGRESS: 'plain' })).toMatchObject({ progress: 'plain' });
    expect(parse('status --progress none', { TOWLINE_PROGRESS: 'plain' })).toMatchObject({ progress: 'none' });
  });

  test.each([
    ['launch x', 'say which cluster'],
    ['launch -c x --num-nodes 0 y', 'number from 1'],
    ['launch -c x --num-nodes two y', 'takes a number'],
    ['storage gc s3://b/p --days 0', 'number from 1'],
    ['exec', 'takes 1 to 2 words'],
    ['status --progress loud', 'no progress mode'],
    ['pool frob', 'no such command'],
  ])('%s is refused with its usage', (line, message) => {
    expect(errorOf(line)).toMatchObject({ code: 'usage', message: expect.stringContaining(message) });
  });

  test('a mistyped word gets the nearest', () => {
    expect(errorOf('lauch').hint).toBe('did you mean tow launch?');
    expect(errorOf('exec dev --no-wrokdir x').hint).toBe('did you mean --no-workdir?');
  });
});
