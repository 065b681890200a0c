import { type CommandSpec, commandSpecs, commonOptions, type OptionSpec } from './options.ts';

/** Help for one command, or the list of all. */
export function helpText(spec: CommandSpec | undefined): string {
  if (spec !== undefined) {
    const options = [...spec.options, ...commonOptions];
    return [
      `usage: tow ${spec.words.join(' ')} ${spec.usage}`.trimEnd(),
      '',
      spec.help,
      '',
      'options:',
      ...options.map(optionLine),
      '',
    ].join('\n');
  }
  const width = Math.max(...commandSpecs.map(({ words }) => words.join(' ').length));
  return [
    'tow puts your code and data on every node of a cluster before the command starts, and brings results back',
    '',
    'usage: tow COMMAND …',
    '',
    ...commandSpecs.map(({ words, help }) => `  ${words.join(' ').padEnd(width)}  ${help}`),
    '',
    'tow COMMAND --help shows its options. Every command takes --json and --progress.',
    '',
  ].join('\n');
}

function optionLine({ name, short, value, help }: OptionSpec): string {
  const words = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
  return `  ${words.padEnd(26)} ${help}`;
}
