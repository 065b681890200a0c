/** The rules for `file_mounts` that task files of the incumbent were written to: one row a rule, with what we say. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadTask } from '../../../controller/task/load-task.ts';
import type { Task } from '../../../controller/task/task.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { taskOptions } from '../../helpers/task-options.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tow-mounts-'));
  for (const path of ['home/data', 'dir', 'proj']) await mkdir(join(cwd, path), { recursive: true });
  await writeFile(join(cwd, 'file'), '');
  await symlink('dir', join(cwd, 'link'));
});
afterAll(async () => await rm(cwd, { recursive: true }));

async function load(text: string, workdir?: string): Promise<Task> {
  const entry = join(cwd, 'task.yaml');
  await writeFile(entry, text);
  const options = taskOptions({ entry, ...(workdir === undefined ? {} : { workdir }) });
  return await loadTask(options, { cwd, env: { HOME: join(cwd, 'home') } });
}

describe('refused', () => {
  test.each([
    {
      rule: 'a destination that ends with a slash',
      text: 'file_mounts: {/d/: dir}',
      code: 'invalid-task',
      message: "task.yaml:1:15: the destination '/d/' ends with a slash",
      hint: 'write /d: what a directory holds goes into it',
    },
    {
      rule: 'a source that ends with a slash',
      text: 'file_mounts: {/d: dir/}',
      code: 'invalid-task',
      message: "task.yaml:1:19: the source 'dir/' ends with a slash",
      hint: 'write dir',
    },
    {
      rule: 'a URI that ends with a slash',
      text: 'file_mounts: {/d: s3://bucket/prefix/}',
      code: 'invalid-task',
      message: "task.yaml:1:19: the source 's3://bucket/prefix/' ends with a slash",
      hint: 'write s3://bucket/prefix',
    },
    {
      rule: 'a destination in a bucket',
      text: 'file_mounts: {"gs://bucket/d": dir}',
      code: 'invalid-task',
      message: "task.yaml:1:15: the destination 'gs://bucket/d' is in a bucket",
      hint: 'write DESTINATION: SOURCE, the destination is a path on the nodes',
    },
    {
      rule: 'a source that is not there',
      text: 'file_mounts: {/d: nowhere}',
      code: 'mount-source-missing',
      message: /task\.yaml:1:19: the source 'nowhere' does not exist here \('.*\/nowhere'\)/,
      hint: 'correct the path: it is relative to where tow runs',
    },
    {
      rule: 'the workdir’s place, in a task with a workdir',
      text: 'workdir: proj\nfile_mounts: {~/sky_workdir: dir}',
      code: 'invalid-task',
      message: "task.yaml:2:15: the destination '~/sky_workdir' is where the workdir goes",
      hint: 'mount into a directory below ~/sky_workdir, or leave the workdir out',
    },
    {
      rule: 'a workdir that is no directory',
      text: 'workdir: file',
      code: 'workdir-missing',
      message: /is no directory/,
      hint: /correct workdir:/,
    },
    {
      rule: 'a workdir that is not there',
      text: 'workdir: nowhere',
      code: 'workdir-missing',
      message: /does not exist/,
      hint: /correct workdir:/,
    },
    {
      rule: 'a value that is neither text nor a mapping',
      text: 'file_mounts: {/d: [dir]}',
      code: 'invalid-task',
      message: "task.yaml:1:19: cannot tell what to mount at '/d'",
      hint: 'give a path, a URI, or {name, source, store, mode}',
    },
    {
      rule: 'a variable without a value',
      text: 'envs: {V: }\nfile_mounts: {/d: $V}',
      code: 'invalid-task',
      message: 'task.yaml:1:8: V in envs has no value',
      hint: /--env V=VALUE/,
    },
    {
      rule: 'a variable that is not among envs',
      text: 'file_mounts: {/d: $NOPE}',
      code: 'mount-source-missing',
      message: /task\.yaml:1:19: the source '\$NOPE' does not exist here/,
      hint: 'NOPE is not among envs',
    },
  ])('$rule', async ({ text, code, message, hint }) => {
    const error: unknown = await load(text).catch((caught: unknown) => caught);
    if (!(error instanceof TowError)) throw new Error('not refused', { cause: error });
    expect(error.code).toBe(code);
    expect(error.message).toEqual(
      typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
    );
    expect(error.hint).toEqual(typeof hint === 'string' ? expect.stringContaining(hint) : expect.stringMatching(hint));
  });
});

describe('taken', () => {
  test.each([
    {
      rule: 'a relative destination lies in the workdir',
      text: 'file_mounts: {d/e: dir}',
      dest: '~/sky_workdir/d/e',
      source: 'dir',
    },
    { rule: 'a relative source is one of where tow runs', text: 'file_mounts: {/d: ./dir}', dest: '/d', source: 'dir' },
    { rule: '~ in a source is the home', text: 'file_mounts: {/d: ~/data}', dest: '/d', source: 'home/data' },
    { rule: 'a source that is a symlink', text: 'file_mounts: {/d: link}', dest: '/d', source: 'link' },
    { rule: 'a file', text: 'file_mounts: {/opt/conf: file}', dest: '/opt/conf', source: 'file' },
    {
      rule: 'variables in destination and source',
      text: 'envs: {A: x, B: dir}\nfile_mounts: {"/d/${A}": $B}',
      dest: '/d/x',
      source: 'dir',
    },
    { rule: 'under ~', text: 'file_mounts: {~/d: dir}', dest: '~/d', source: 'dir' },
    { rule: 'under /tmp', text: 'file_mounts: {/tmp/d: dir}', dest: '/tmp/d', source: 'dir' },
    {
      rule: 'the workdir’s place, in a task without one',
      text: 'file_mounts: {~/sky_workdir: dir}',
      dest: '~/sky_workdir',
      source: 'dir',
    },
  ])('$rule', async ({ text, dest, source }) => {
    const { fileMounts } = await load(text);
    expect(fileMounts).toMatchObject([{ type: 'local', dest, source: join(cwd, source) }]);
  });

  test('variables in a bucket’s name and source, and in the workdir', async () => {
    const task = await load(
      'envs: {B: my-bucket, D: proj}\nworkdir: $D\nfile_mounts: {/a: "s3://${B}/x", /b: {name: $B, source: ./dir}}',
    );
    expect(task.workdir).toEqual({ type: 'local', path: join(cwd, 'proj') });
    expect(task.fileMounts).toMatchObject([
      { type: 'bucket', dest: '/a', uri: { bucket: 'my-bucket', prefix: 'x' } },
      { type: 'storage', dest: '/b', name: 'my-bucket' },
    ]);
  });

  test('a workdir that is a symlink to a directory', async () =>
    expect((await load('workdir: link')).workdir).toEqual({ type: 'local', path: join(cwd, 'link') }));
});
