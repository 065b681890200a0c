import { spawn } from 'node:child_process';

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

const maxOutputBytes = 1 << 20;

/** Runs a program of ours to its end. Rejects only when it cannot be started; killed when `signal` aborts. */
export async function runLocal(
  program: string,
  args: readonly string[],
  options: { readonly env: Record<string, string>; readonly input: string },
  signal: AbortSignal,
): Promise<Finished> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: options.env, signal, killSignal: 'SIGKILL' });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] = (output[name] + text).slice(-maxOutputBytes);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...output, code: code ?? 1 }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
  });
}
