import { parseArgs } from 'node:util';
import { TowError } from '../../protocol/base/errors.ts';
import type { Command, TaskOptions } from '../api/command.ts';
import { nearest } from '../yaml/nearest.ts';
import { type CommandSpec, commandSpecs, commonOptions, type OptionSpec, plannedCommands } from './options.ts';

export type ProgressMode = 'auto' | 'tty' | 'plain' | 'json' | 'none';

export type ParsedLine =
  | { readonly type: 'help'; readonly spec: CommandSpec | undefined }
  | { readonly type: 'version' }
  | {
      readonly type: 'run';
      readonly command: Command;
      readonly json: boolean;
      readonly progress: ProgressMode;
      readonly wantedEnv: readonly string[];
    };

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** What a command line asks for. Throws `usage`, `not-supported`. */
export function parseLine(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ParsedLine {
  const [first] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help')
    return { type: 'help', spec: undefined };
  if (first === '--version' || first === '-V') return { type: 'version' };
  const spec = findCommand(argv);
  const { values, positionals } = parseOptions(spec, argv.slice(spec.words.length));
  if (values['help'] === true) return { type: 'help', spec };
  const { min, max } = spec.operands;
  if (positionals.length < min || positionals.length > max)
    throw usage(
      `tow ${spec.words.join(' ')} takes ${min === max ? min : `${min} to ${max}`} words, got ${positionals.length}`,
      spec,
    );
  const json = values['json'] === true;
  const wantedEnv = [...list(values, 'env'), ...list(values, 'secret')].filter((text) => !text.includes('='));
  return {
    type: 'run',
    command: toCommand(spec, positionals, values),
    json,
    progress: progressMode(text(values, 'progress') ?? env['TOWLINE_PROGRESS'] ?? 'auto'),
    wantedEnv,
  };
}

function findCommand(argv: readonly string[]): CommandSpec {
  const [first = '', second = ''] = argv;
  const found = commandSpecs.find(({ words }) => words.every((word, at) => argv[at] === word));
  if (found !== undefined) return found;
  if (plannedCommands.includes(first))
    throw new TowError('not-supported', `tow ${first} is not built yet`, { hint: 'tow --help lists what is' });
  const group = commandSpecs.filter(({ words }) => words.length > 1 && words[0] === first);
  if (group.length > 0)
    throw new TowError('usage', `tow ${first} ${second}: there is no such command`, {
      hint: group.map(({ words }) => `tow ${words.join(' ')}`).join(', '),
    });
  const near = nearest(
    first,
    commandSpecs.map(({ words }) => words[0] ?? ''),
  );
  throw new TowError('usage', `there is no command ${JSON.stringify(first)}`, {
    hint: near === undefined ? 'tow --help lists the commands' : `did you mean tow ${near}?`,
  });
}

function parseOptions(spec: CommandSpec, args: readonly string[]): { values: Values; positionals: string[] } {
  const known = [...spec.options, ...commonOptions];
  const options = Object.fromEntries(
    known.map(
      ({
        name,
        short,
        value,
        multiple,
      }): [string, { type: 'string' | 'boolean'; short?: string; multiple?: boolean }] => [
        name,
        {
          type: value === undefined ? 'boolean' : 'string',
          ...(short === undefined ? {} : { short }),
          ...(multiple === true ? { multiple } : {}),
        },
      ],
    ),
  );
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw optionError(error, args, known, spec);
  }
}

function optionError(
  error: unknown,
  args: readonly string[],
  known: readonly OptionSpec[],
  spec: CommandSpec,
): TowError {
  const unknown = args
    .map((arg) => /^--([^=]+)/.exec(arg)?.[1])
    .find((name) => name !== undefined && !known.some((option) => option.name === name));
  if (unknown !== undefined) {
    const near = nearest(
      unknown,
      known.map(({ name }) => name),
    );
    return new TowError('usage', `tow ${spec.words.join(' ')} has no option --${unknown}`, {
      hint: near === undefined ? `tow ${spec.words.join(' ')} --help lists its options` : `did you mean --${near}?`,
    });
  }
  const message = error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error);
  return usage(message, spec);
}

function usage(message: string, spec: CommandSpec): TowError {
  return new TowError('usage', message, { hint: `usage: tow ${spec.words.join(' ')} ${spec.usage}` });
}

function progressMode(value: string): ProgressMode {
  if (value === 'auto' || value === 'tty' || value === 'plain' || value === 'json' || value === 'none') return value;
  throw new TowError('usage', `there is no progress mode ${JSON.stringify(value)}`, {
    hint: 'auto, tty, plain, json or none',
  });
}

function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

function list(values: Values, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function number(values: Values, name: string, spec: CommandSpec): number | undefined {
  const value = text(values, name);
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw usage(`--${name} takes a number, got ${JSON.stringify(value)}`, spec);
}

function taskOptions(values: Values, entry: string | undefined): TaskOptions {
  return {
    entry,
    workdir: text(values, 'workdir'),
    noWorkdir: values['no-workdir'] === true,
    env: list(values, 'env'),
    envFile: text(values, 'env-file'),
    secret: list(values, 'secret'),
    verify: values['verify'] === true,
    allowPartial: values['allow-partial'] === true,
    allowDelete: values['allow-delete'] === true,
  };
}

const usualGcDays = 30;

function toCommand(spec: CommandSpec, words: readonly string[], values: Values): Command {
  const flag = (name: string): boolean => values[name] === true;
  const [first = '', second] = words;
  switch (spec.words.join(' ')) {
    case 'launch': {
      const cluster = text(values, 'cluster');
      if (cluster === undefined) throw usage('say which cluster: -c NAME', spec);
      const numNodes = number(values, 'num-nodes', spec);
      if (numNodes === 0) throw usage('--num-nodes takes a number from 1', spec);
      return {
        command: 'launch',
        cluster,
        infra: text(values, 'infra'),
        numNodes,
        task: taskOptions(values, words[0]),
        detach: flag('detach'),
        noSetup: flag('no-setup'),
        dryrun: flag('dryrun'),
        takeOver: flag('take-over'),
        via: text(values, 'via'),
      };
    }
    case 'exec':
      return {
        command: 'exec',
        cluster: first,
        task: taskOptions(values, second),
        fileMounts: flag('file-mounts'),
        detach: flag('detach'),
        dryrun: flag('dryrun'),
      };
    case 'push':
      return {
        command: 'push',
        cluster: first,
        task: taskOptions(values, second),
        fileMounts: flag('file-mounts'),
        dryrun: flag('dryrun'),
      };
    case 'logs':
      return {
        command: 'logs',
        cluster: first,
        job: second,
        status: flag('status'),
        follow: !flag('no-follow'),
        tail: number(values, 'tail', spec) ?? 0,
      };
    case 'cancel':
      return { command: 'cancel', cluster: first, jobs: words.slice(1), all: flag('all') };
    case 'status':
      return { command: 'status' };
    case 'down':
      return { command: 'down', cluster: first, purge: flag('purge') };
    case 'pool ls':
      return { command: 'pool-ls' };
    case 'pool add':
      return {
        command: 'pool-add',
        pool: first,
        hosts: words.slice(1),
        user: text(values, 'user'),
        identityFile: text(values, 'identity-file'),
        port: number(values, 'port', spec),
      };
    case 'conflicts ls':
      return { command: 'conflicts-ls', cluster: first };
    case 'conflicts restore':
      return { command: 'conflicts-restore', cluster: first, ids: words.slice(1) };
    case 'conflicts prune':
      return { command: 'conflicts-prune', cluster: first, ids: words.slice(1), all: flag('all') };
    case 'storage gc': {
      const days = number(values, 'days', spec) ?? usualGcDays;
      if (days === 0) throw usage('--days takes a number from 1', spec);
      return { command: 'storage-gc', uri: first, days };
    }
    case 'storage ls':
      return { command: 'storage-ls' };
    case 'storage delete':
      if (words.length === 0 && !flag('all')) throw usage('say which storages: NAME…, or --all', spec);
      return { command: 'storage-delete', names: words, all: flag('all') };
    case 'ls-files':
      return { command: 'ls-files', directory: words[0], explain: text(values, 'explain') };
    case 'check':
      return { command: 'check', cluster: words[0] };
    default:
      return { command: 'stop' };
  }
}
