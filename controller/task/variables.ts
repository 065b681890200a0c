import { TowError } from '../../protocol/base/errors.ts';
import type { TaskOptions } from '../api/command.ts';
import { readTextFile } from '../yaml/read-text-file.ts';
import { quoted, valueOf, type YamlFile } from '../yaml/yaml-file.ts';
import type { YamlList, YamlMap } from '../yaml/yaml-node.ts';
import { parseEnvFile } from './env-file.ts';
import { localPath } from './local-path.ts';
import type { TaskContext } from './task-context.ts';

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
const nameHint = 'a name has letters, digits and _, and does not begin with a digit';

/** Variables of the command line: those of `--env-file`, then those of `--env`. Rejects with `usage`. */
export async function commandLineEnvs(
  options: TaskOptions,
  context: TaskContext,
): Promise<ReadonlyMap<string, string>> {
  const envs = new Map<string, string>();
  if (options.envFile !== undefined) {
    const path = localPath(options.envFile, context);
    const text = await readTextFile(path, 'usage');
    if (text === undefined)
      throw new TowError('usage', `there is no --env-file ${path}`, { hint: 'name a file that exists' });
    for (const [name, value] of parseEnvFile(text, path, context.env)) envs.set(name, value);
  }
  for (const text of options.env) envs.set(...parseAssignment(text, context.env, '--env'));
  return envs;
}

/** Secrets of the command line. Throws `usage`. */
export function commandLineSecrets(options: TaskOptions, context: TaskContext): ReadonlyMap<string, string> {
  return new Map(options.secret.map((text) => parseAssignment(text, context.env, '--secret')));
}

/** `K=V`, or `K` with its value from the environment of the CLI. */
function parseAssignment(text: string, env: Readonly<Record<string, string>>, option: string): [string, string] {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  if (!namePattern.test(name))
    throw new TowError('usage', `${option}: ${quoted(name)} is no name of a variable`, { hint: nameHint });
  const value = equals < 0 ? env[name] : text.slice(equals + 1);
  if (value !== undefined) return [name, value];
  throw new TowError('usage', `${option} ${name}: there is no such variable here`, {
    hint: `write ${option} ${name}=VALUE`,
  });
}

/**
 * Variables of the file, under those of the line. One without a value must get it from the line. Secrets kept by the
 * incumbent's server (`secrets: [secrets:NAME]`) have no value here: each that the line does not give is a warning.
 */
export function fileVariables(
  file: YamlFile,
  task: YamlMap,
  key: 'envs' | 'secrets',
  line: ReadonlyMap<string, string>,
  warn: (at: number, text: string) => void,
): ReadonlyMap<string, string> {
  const node = valueOf(task, key);
  const variables = new Map<string, string>();
  if (key === 'secrets' && node?.type === 'list') warnOfKept(file, node, line, warn);
  else {
    for (const { key: name, keyAt, value } of file.map(node, key)?.entries ?? []) {
      if (key === 'secrets' && name.startsWith('secrets:')) {
        warnOfName(name, keyAt, line, warn);
        continue;
      }
      if (!namePattern.test(name))
        throw file.fail(keyAt, `${quoted(name)} in ${key} is no name of a variable`, nameHint);
      const text = line.get(name) ?? file.textOf(value, `${name} in ${key}`);
      if (text === undefined) {
        const option = key === 'envs' ? '--env' : '--secret';
        throw file.fail(
          keyAt,
          `${name} in ${key} has no value`,
          `give it with ${option} ${name}=VALUE, or write ${name}: ""`,
        );
      }
      variables.set(name, text);
    }
  }
  for (const [name, value] of line) variables.set(name, value);
  return variables;
}

function warnOfKept(
  file: YamlFile,
  list: YamlList,
  line: ReadonlyMap<string, string>,
  warn: (at: number, text: string) => void,
): void {
  for (const item of list.items) {
    const name = file.string(item, 'a secret of a list') ?? '';
    if (!name.startsWith('secrets:')) {
      throw file.fail(item.at, `${quoted(name)} has no value`, `write secrets as a mapping: ${name}: VALUE`);
    }
    warnOfName(name, item.at, line, warn);
  }
}

function warnOfName(
  text: string,
  at: number,
  line: ReadonlyMap<string, string>,
  warn: (at: number, text: string) => void,
): void {
  const name = text.slice(text.lastIndexOf(':') + 1).replace(/^(?:personal|workspace|global)\./, '');
  if (!line.has(name)) warn(at, `the secret ${name} is not kept here: give it with --secret ${name}`);
}
