import { execFile } from 'node:child_process';

/** How a tool of the system ended. `code` is undefined if it could not be started, or was killed for taking too long. */
export interface ToolResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const timeoutMs = 5000;
const maxOutputBytes = 1 << 20;

/** Runs a short tool such as `systemctl`, with `input` on its stdin. Never rejects. */
export async function runTool(
  command: readonly [string, ...string[]],
  input = '',
  env = process.env,
): Promise<ToolResult> {
  const [file, ...args] = command;
  return await new Promise((resolve) => {
    const child = execFile(
      file,
      args,
      { timeout: timeoutMs, maxBuffer: maxOutputBytes, killSignal: 'SIGKILL', env },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined;
        resolve({ code, stdout, stderr: stderr === '' && error !== null ? error.message : stderr });
      },
    );
    // A tool that does not read its stdin is no failure.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
