import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import type { TaskOptions } from '../api/command.ts';
import { localPath, parseFileMounts } from './file-mounts.ts';
import { defaultSync, type SyncSettings, type Task, type Workdir } from './task.ts';
import { checkVariableName, commandLineEnvs, parseAssignment, substitute } from './variables.ts';
import { checkKeys, entryOf, failAt, mapOf, parseYaml, textOf, type YamlMap, type YamlValue } from './yaml-file.ts';

/** Keys that mean something here, and those of the incumbent that do not. */
const ourKeys = ['name', 'workdir', 'num_nodes', 'resources', 'envs', 'secrets', 'file_mounts', 'setup', 'run', 'sync'];
const foreignKeys = ['service', 'volumes', 'volume_mounts', 'inputs', 'outputs', 'config', 'experimental', 'event_callback', 'pool', 'estimated_runtime_seconds', 'api_server', 'file_mounts_mapping', '_metadata', '_user_specified_yaml'];
const foreignResources = [
  'accelerators', 'accelerator_args', 'any_of', 'autostop', 'cloud', 'cpus', 'disk_size', 'disk_tier', 'image_id', 'instance_type', 'job_recovery', 'labels', 'local_disk',
  'max_hourly_cost', 'memory', 'network_tier', 'ordered', 'ports', 'priority', 'priority_class', 'region', 'spot_recovery', 'use_spot', 'volumes', 'zone',
];
const syncKeys = ['git', 'credentials', 'fetch', 'mirror'];

export interface TaskContext {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Whether the word on the command line is a task file rather than a command. */
function isTaskFile(entry: string, cwd: string): boolean {
  if (!/\.ya?ml$/.test(entry) || /\s/.test(entry)) return false;
  if (existsSync(resolve(cwd, entry))) return true;
  throw new TowError('usage', `there is no task file ${resolve(cwd, entry)}`, { hint: 'give a file that exists, or a command in quotes' });
}

/** The task of a command line: a task file or an inline command, with the line's options on top. Rejects with `invalid-task`, `usage`, `workdir-missing`, `mount-source-missing`. */
export async function loadTask(options: TaskOptions, context: TaskContext): Promise<Task> {
  const { entry } = options;
  const envs = await commandLineEnvs(options, context);
  const secrets = new Map(options.secret.map((text) => parseAssignment(text, context.env, '--secret')));
  if (entry === undefined || !isTaskFile(entry, context.cwd)) {
    return withLine(emptyTask(entry, envs, secrets), options, context);
  }
  const file = resolve(context.cwd, entry);
  const root = parseYaml(await readFile(file, 'utf8'), entry, 'invalid-task');
  return withLine(parseTask(mapOf(root, 'a task', 'invalid-task'), envs, secrets, context), options, context);
}

function emptyTask(run: string | undefined, envs: ReadonlyMap<string, string>, secrets: ReadonlyMap<string, string>): Task {
  return { name: undefined, workdir: undefined, numNodes: undefined, infra: undefined, envs, secrets, fileMounts: [], setup: undefined, run, sync: defaultSync, warnings: [] };
}

/** `--workdir` and `--no-workdir`, and the check that the workdir is a directory. */
function withLine(task: Task, options: TaskOptions, context: TaskContext): Task {
  const home = context.env['HOME'] ?? '/';
  const fromLine: Workdir | undefined = options.workdir === undefined ? task.workdir : { type: 'local', path: localPath(options.workdir, { cwd: context.cwd, home }) };
  const workdir = options.noWorkdir ? undefined : fromLine;
  if (workdir?.type === 'local' && !(existsSync(workdir.path) && statSync(workdir.path).isDirectory())) {
    throw new TowError('workdir-missing', `the workdir ${workdir.path} is not a directory`, { hint: 'name a directory with --workdir, or correct workdir in the task' });
  }
  return { ...task, workdir };
}

function parseTask(map: YamlMap, lineEnvs: ReadonlyMap<string, string>, lineSecrets: ReadonlyMap<string, string>, context: TaskContext): Task {
  checkKeys(map, [...ourKeys, ...foreignKeys], 'a task', 'invalid-task');
  const warnings = map.entries.filter(({ key }) => foreignKeys.includes(key)).map(({ key }) => `${key} means nothing to tow and is left out`);
  const envs = parseVariables(map, 'envs', lineEnvs);
  const secrets = parseVariables(map, 'secrets', lineSecrets);
  const text = (key: string): string | undefined => {
    const value = entryOf(map, key);
    return value === undefined ? undefined : textOf(value, key, 'invalid-task');
  };
  const home = context.env['HOME'] ?? '/';
  const place = { cwd: context.cwd, home };
  const workdirValue = entryOf(map, 'workdir');
  const workdir = workdirValue === undefined ? undefined : parseWorkdir(workdirValue, envs, place);
  const mounts = entryOf(map, 'file_mounts');
  const variables = new Map([...secrets, ...envs]);
  return {
    name: text('name'),
    workdir,
    numNodes: parseCount(entryOf(map, 'num_nodes')),
    infra: parseResources(entryOf(map, 'resources'), warnings),
    envs,
    secrets,
    fileMounts: mounts === undefined ? [] : parseFileMounts(mapOf(mounts, 'file_mounts', 'invalid-task'), { ...place, variables, hasWorkdir: workdir !== undefined }),
    setup: text('setup'),
    run: text('run'),
    sync: parseSync(entryOf(map, 'sync')),
    warnings,
  };
}

/** Variables of the file, under those of the line. One without a value must get it from the line. */
function parseVariables(map: YamlMap, key: 'envs' | 'secrets', line: ReadonlyMap<string, string>): Map<string, string> {
  const variables = new Map<string, string>();
  const value = entryOf(map, key);
  for (const { key: name, at, value: one } of value === undefined ? [] : mapOf(value, key, 'invalid-task').entries) {
    checkVariableName(name, `${at.file}:${at.line}:${at.column}`);
    const given = line.get(name);
    if (given !== undefined) variables.set(name, given);
    else if (one.type === 'scalar' && one.value === null) {
      failAt(at, 'invalid-task', `${name} in ${key} has no value`, `set one, or give it with --${key === 'envs' ? 'env' : 'secret'} ${name}=VALUE`);
    } else variables.set(name, textOf(one, name, 'invalid-task'));
  }
  for (const [name, given] of line) variables.set(name, given);
  return variables;
}

function parseWorkdir(value: YamlValue, envs: ReadonlyMap<string, string>, place: { cwd: string; home: string }): Workdir {
  if (value.type !== 'map') return { type: 'local', path: localPath(substitute(textOf(value, 'workdir', 'invalid-task'), envs), place) };
  checkKeys(value, ['url', 'ref'], 'workdir', 'invalid-task');
  const url = entryOf(value, 'url') ?? failAt(value.at, 'invalid-task', 'a workdir that is a mapping needs a url');
  const ref = entryOf(value, 'ref');
  return { type: 'git', url: substitute(textOf(url, 'url', 'invalid-task'), envs), ref: ref === undefined ? undefined : textOf(ref, 'ref', 'invalid-task') };
}

const maxNodes = 1000;

function parseCount(value: YamlValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  const count = value.type === 'scalar' ? value.value : undefined;
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= maxNodes) return count;
  return failAt(value.at, 'invalid-task', `num_nodes must be a number from 1 to ${maxNodes}`);
}

function parseResources(value: YamlValue | undefined, warnings: string[]): string | undefined {
  if (value === undefined) return undefined;
  const map = mapOf(value, 'resources', 'invalid-task');
  checkKeys(map, ['infra', ...foreignResources], 'resources', 'invalid-task');
  for (const { key } of map.entries) if (key !== 'infra') warnings.push(`resources.${key} means nothing to tow and is left out`);
  const infra = entryOf(map, 'infra');
  return infra === undefined ? undefined : textOf(infra, 'infra', 'invalid-task');
}

function parseSync(value: YamlValue | undefined): SyncSettings {
  if (value === undefined) return defaultSync;
  const map = mapOf(value, 'sync', 'invalid-task');
  checkKeys(map, syncKeys, 'sync', 'invalid-task');
  const flag = (key: string, otherwise: boolean): boolean => {
    const one = entryOf(map, key);
    if (one === undefined) return otherwise;
    return one.type === 'scalar' && typeof one.value === 'boolean' ? one.value : failAt(one.at, 'invalid-task', `sync.${key} must be true or false`);
  };
  const choice = <T extends string>(key: string, choices: readonly [T, ...T[]]): T => {
    const one = entryOf(map, key);
    if (one === undefined) return choices[0];
    const text = textOf(one, `sync.${key}`, 'invalid-task');
    return choices.find((known) => known === text) ?? failAt(one.at, 'invalid-task', `sync.${key} must be ${choices.join(' or ')}`);
  };
  return { git: flag('git', true), credentials: choice('credentials', ['forward', 'node']), fetch: choice('fetch', ['bucket', 'head']), mirror: flag('mirror', false) };
}
