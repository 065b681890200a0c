import { stat } from 'node:fs/promises';
import { TowError } from '../../protocol/base/errors.ts';
import type { TaskOptions } from '../api/command.ts';
import { readTextFile } from '../yaml/read-text-file.ts';
import { quoted, YamlFile } from '../yaml/yaml-file.ts';
import { localPath } from './local-path.ts';
import { type LineSettings, parseTask } from './parse-task.ts';
import { defaultSync, type Task, type Workdir } from './task.ts';
import type { TaskContext } from './task-context.ts';
import { commandLineEnvs, commandLineSecrets } from './variables.ts';

/**
 * The task of a command line: a task file or an inline command, with the line's options on top. Rejects with `usage`,
 * `invalid-task`, `workdir-missing` or `mount-source-missing`.
 */
export async function loadTask(options: TaskOptions, { cwd, env }: Pick<TaskContext, 'cwd' | 'env'>): Promise<Task> {
  const context: TaskContext = { cwd, env, home: env['HOME'] };
  if (options.noWorkdir && options.workdir !== undefined) {
    throw new TowError('usage', '--workdir and --no-workdir exclude each other', { hint: 'give one of the two' });
  }
  const line: LineSettings = {
    envs: await commandLineEnvs(options, context),
    secrets: commandLineSecrets(options, context),
    workdir: options.noWorkdir ? null : lineWorkdir(options.workdir, context),
  };
  const text = await readTask(options.entry, context);
  const task =
    text === undefined
      ? inlineTask(options.entry, line)
      : await parseTask(new YamlFile(options.entry ?? '', text, 'invalid-task'), line, context);
  await checkWorkdir(task.workdir, options.workdir !== undefined);
  return task;
}

function lineWorkdir(path: string | undefined, context: TaskContext): Workdir | undefined {
  if (path === undefined) return undefined;
  if (path === '' || path.includes('\0'))
    throw new TowError('usage', '--workdir names no directory', { hint: 'write --workdir PATH' });
  return { type: 'local', path: localPath(path, context) };
}

/** The text of a task file; undefined when the word is a command. A single word that ends in .yaml or .yml names a file. */
async function readTask(entry: string | undefined, context: TaskContext): Promise<string | undefined> {
  if (entry === undefined || !/\.ya?ml$/i.test(entry) || entry.includes('\0')) return undefined;
  const path = localPath(entry, context);
  const text = await readTextFile(path, 'usage');
  if (text !== undefined || /\s/.test(entry)) return text;
  throw new TowError('usage', `there is no task file ${quoted(path)}`, {
    hint: 'name a file that exists, or a command in quotes',
  });
}

function inlineTask(run: string | undefined, { envs, secrets, workdir }: LineSettings): Task {
  return {
    name: undefined,
    workdir: workdir ?? undefined,
    numNodes: undefined,
    infra: undefined,
    envs,
    secrets,
    fileMounts: [],
    setup: undefined,
    run,
    sync: defaultSync,
    warnings: [],
  };
}

async function checkWorkdir(workdir: Workdir | undefined, fromLine: boolean): Promise<void> {
  if (workdir?.type !== 'local') return;
  const stats = await stat(workdir.path).catch(() => undefined);
  if (stats?.isDirectory() === true) return;
  const why = stats === undefined ? 'does not exist' : 'is no directory';
  throw new TowError('workdir-missing', `the workdir ${quoted(workdir.path)} ${why}`, {
    hint: fromLine ? 'name a directory with --workdir' : 'correct workdir: in the task, or name one with --workdir',
  });
}
