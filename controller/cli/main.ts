/**
 * `tow`: parses the line, asks the daemon, shows what it says. It runs at every command, so it loads nothing that the
 * command does not need, and what shows the answer only when it was asked for: the daemon works meanwhile.
 */
import { isatty } from 'node:tty';
import { TowError, toTowError } from '../../protocol/base/errors.ts';
import { toErrorBody } from '../../protocol/wire/error-body.ts';
import type { ApiRequest, Command } from '../api/command.ts';
import type { ApiEvent } from '../api/event.ts';
import type { Output, OutputOptions } from '../ui/output.ts';
import { connectDaemon, controllerDirectory, daemonAnswers } from './connect-daemon.ts';
import { exitCodeOfError } from './exit-code.ts';
import { restoreExtraCertificates } from './extra-certificates.ts';
import { type ParsedLine, parseLine } from './parse-line.ts';
import { requestEnv } from './request-env.ts';

async function main(argv: readonly string[]): Promise<number> {
  const wantsJson = argv.includes('--json');
  try {
    const line = parseLine(argv, process.env);
    if (line.type === 'version') process.stdout.write(`tow ${TOWLINE_VERSION} (build ${TOWLINE_BUILD})\n`);
    if (line.type === 'help') process.stdout.write((await import('./help.ts')).helpText(line.spec));
    return line.type === 'run' ? await run(line) : 0;
  } catch (error) {
    const output = await openOutput({ json: wantsJson, progress: 'none', command: '' });
    output.event({ type: 'error', error: toErrorBody(error) });
    await output.close();
    return exitCodeOfError(toTowError(error, 'tow').code);
  }
}

async function run(line: Extract<ParsedLine, { type: 'run' }>): Promise<number> {
  const home = process.env['HOME'] ?? '/';
  if (line.command.command === 'stop' && !(await daemonAnswers(home))) return 0;
  for (let lost = 0; lost < maxLost; ) {
    const code = await ask(line, home);
    // One of another build has made room.
    if (code === replacedCode) continue;
    // It was killed at that moment, say.
    if (code === 'unbegun') lost += 1;
    else return code;
  }
  throw new TowError('controller-failed', `the controller went away ${maxLost} times before it took the command`, {
    hint: `see ${controllerDirectory(home)}/log`,
  });
}

/** Commands that a daemon needs its threads for. */
const syncing: ReadonlySet<string> = new Set<Command['command']>(['exec', 'launch', 'push']);

/** Controllers that may go away before they take a command. */
const maxLost = 3;

async function openOutput(options: OutputOptions): Promise<Output> {
  return (await import('../ui/output.ts')).openOutput(options);
}

/** Exit code; `replacedCode` and `unbegun` when a daemon is to be started anew. */
async function ask(line: Extract<ParsedLine, { type: 'run' }>, home: string): Promise<number | 'unbegun'> {
  const socket = await connectDaemon(home, syncing.has(line.command.command));
  const request: ApiRequest = {
    type: 'request',
    build: TOWLINE_BUILD,
    cwd: process.cwd(),
    env: requestEnv(process.env, line.wantedEnv),
    interactive: isatty(0) && isatty(2),
    command: line.command,
  };
  socket.write(`${JSON.stringify(request)}\n`);
  // The daemon is at work: now there is time to load the rest.
  const { converse } = await import('./client.ts');
  const output = await openOutput({ json: line.json, progress: line.progress, command: line.command.command });
  const conversation = converse(socket, (event, reply) => {
    if (event.type === 'login') {
      login(event, output).then(
        (code) => reply({ type: 'login-done', code }),
        () => reply({ type: 'login-done', code: 255 }),
      );
    } else output.event(event);
  });
  let interrupts = 0;
  const onInterrupt = (): void => {
    interrupts += 1;
    if (interrupts > 1) process.exit(exitCodeOfError('cancelled'));
    conversation.interrupt();
  };
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt);
  try {
    return await conversation.ended;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
    await output.close();
  }
}

/** What a daemon of another build answers as its exit code before it ends. */
const replacedCode = -1;

/** Runs ssh on this terminal, so that it can ask for what only a person knows. */
async function login({ argv }: Extract<ApiEvent, { type: 'login' }>, output: Output): Promise<number> {
  output.pause();
  const { spawn } = await import('node:child_process');
  const [program = 'ssh', ...args] = argv;
  return await new Promise<number>((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    child.on('error', () => resolve(255));
    child.on('exit', (code) => resolve(code ?? 255));
  });
}

restoreExtraCertificates(process.env);
void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
