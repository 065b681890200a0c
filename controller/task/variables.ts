import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import type { TaskOptions } from '../api/command.ts';

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function checkVariableName(name: string, where: string): string {
  if (namePattern.test(name)) return name;
  throw new TowError('usage', `${where}: ${JSON.stringify(name)} is no variable name`, { hint: 'a name has letters, digits and _, and does not begin with a digit' });
}

/** `K=V`, or `K` with its value from the environment of the CLI. */
export function parseAssignment(text: string, env: Readonly<Record<string, string>>, option: string): [string, string] {
  const equals = text.indexOf('=');
  const name = checkVariableName(equals < 0 ? text : text.slice(0, equals), option);
  if (equals >= 0) return [name, text.slice(equals + 1)];
  const value = env[name];
  if (value === undefined) throw new TowError('usage', `${option} ${name}: there is no such variable here`, { hint: `write ${option} ${name}=VALUE` });
  return [name, value];
}

/** Variables of the command line: those of `--env-file`, then those of `--env`. */
export async function commandLineEnvs(options: TaskOptions, context: { readonly cwd: string; readonly env: Readonly<Record<string, string>> }): Promise<Map<string, string>> {
  const envs = new Map<string, string>();
  if (options.envFile !== undefined) {
    const path = resolve(context.cwd, options.envFile);
    try {
      for (const [name, value] of parseEnvFile(await readFile(path, 'utf8'), path)) envs.set(name, value);
    } catch (error) {
      if (error instanceof TowError) throw error;
      throw new TowError('usage', `cannot read --env-file ${path}`, { cause: error });
    }
  }
  for (const text of options.env) envs.set(...parseAssignment(text, context.env, '--env'));
  return envs;
}

/** Lines of `NAME=value`, with `export`, comments, single and double quotes as shells have them (double quotes know \n, \", \\ and \$). */
export function parseEnvFile(text: string, file: string): [string, string][] {
  const found: [string, string][] = [];
  text.split(/\r?\n/).forEach((line, at) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    const match = /^(?:export\s+)?([^=\s]+)\s*=\s*(.*)$/s.exec(trimmed);
    if (match?.[1] === undefined) throw new TowError('usage', `${file}:${at + 1}: not of the form NAME=value`);
    found.push([checkVariableName(match[1], `${file}:${at + 1}`), unquote(match[2] ?? '')]);
  });
  return found;
}

function unquote(value: string): string {
  const single = /^'([^']*)'\s*(?:#.*)?$/.exec(value);
  if (single?.[1] !== undefined) return single[1];
  const double = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/s.exec(value);
  if (double?.[1] !== undefined) return double[1].replace(/\\(.)/gs, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : c));
  return value.replace(/\s+#.*$/, '').trim();
}

/** Puts variables in place of `${NAME}` and `$NAME`; a name that is not among them stays as it is, as the incumbent has it. */
export function substitute(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)/g, (whole, braced?: string, bare?: string) => variables.get(braced ?? bare ?? '') ?? whole);
}
