import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { cancelled } from '../../../protocol/base/abort.ts';
import { errnoOf, toTowError } from '../../../protocol/base/errors.ts';

export interface ProcessOptions {
  readonly env: Readonly<Record<string, string>>;
  /** What the process reads on its stdin; an error of the stream kills the process. */
  readonly input?: string | Readable;
  /** Killed after this many milliseconds; `timedOut` then says so. */
  readonly timeoutMs: number;
}

export interface ProcessResult {
  /** undefined when it was ended by a signal. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

const maxOutputChars = 256 << 10;
const lingeringOutputMs = 250;

/**
 * Runs a program to its end, in a session of its own (so it has no terminal to ask on), and collects at most 256 Ki
 * characters of each kind of output. Resolves soon after the process has ended even if one that it left behind
 * (`ssh -f`) still holds its output. Rejects if it cannot be started, or with `cancelled`, having killed it, when
 * `signal` aborts.
 */
export async function runProcess(
  argv: readonly [string, ...string[]],
  options: ProcessOptions,
  signal: AbortSignal,
): Promise<ProcessResult> {
  const [file, ...args] = argv;
  return await new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(cancelled());
      return;
    }
    const child = spawn(file, args, { env: options.env, stdio: 'pipe', detached: true });
    const text = { stdout: '', stderr: '' };
    let timedOut = false;
    const kill = (): void => killGroup(child.pid);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, options.timeoutMs);
    signal.addEventListener('abort', kill, { once: true });
    const cleanUp = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
    };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (data: string) => {
        if (text[name].length < maxOutputChars) text[name] += data;
      });
    }
    // A process that ends without reading all of its input is judged by its exit code.
    child.stdin.on('error', () => undefined);
    if (options.input === undefined || typeof options.input === 'string') {
      child.stdin.end(options.input ?? '');
    } else {
      options.input.on('error', kill);
      options.input.pipe(child.stdin);
    }
    child.on('error', (error) => {
      cleanUp();
      reject(toTowError(error, `starting ${file}`));
    });
    child.on('exit', () => {
      const linger = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, lingeringOutputMs);
      child.on('close', () => clearTimeout(linger));
    });
    child.on('close', (code) => {
      cleanUp();
      if (signal.aborted) reject(cancelled());
      else resolve({ code: code ?? undefined, ...text, timedOut });
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
