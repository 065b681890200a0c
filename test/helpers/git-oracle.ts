/** Runs many git commands as one shell process, away from this machine's own git configuration. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface GitCommand {
  /** Latin1-held, as are `home`, the arguments and `input`. */
  readonly cwd: string;
  readonly home: string;
  readonly args: readonly string[];
  readonly input?: string;
}

/** What each command wrote, latin1-held, in order. Fails if one exits with more than 1 (check-ignore's for "nothing found"). */
export function runGit(commands: readonly GitCommand[], scratch: string): string[] {
  mkdirSync(scratch, { recursive: true });
  const script = commands.map(({ cwd, home, args, input }, index) => {
    const stdin = join(scratch, `${index}.in`);
    if (input !== undefined) writeFileSync(stdin, input, 'latin1');
    const git = ['git', '-C', cwd, ...args].map(quote).join(' ');
    const files = `<${quote(input === undefined ? '/dev/null' : stdin)} >${quote(join(scratch, `${index}.out`))}`;
    return `HOME=${quote(home)} ${git} ${files} || [ $? = 1 ] || { echo command ${index} >&2; exit 2; }\n`;
  });
  const env = { PATH: process.env['PATH'] ?? '', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' };
  const { status, stderr } = spawnSync('sh', [], {
    input: Buffer.from(script.join(''), 'latin1'),
    env,
    encoding: 'latin1',
  });
  if (status !== 0) throw new Error(`${stderr}${JSON.stringify(commands[Number(/command (\d+)/.exec(stderr)?.[1])])}`);
  return commands.map((_, index) => readFileSync(join(scratch, `${index}.out`), 'latin1'));
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
