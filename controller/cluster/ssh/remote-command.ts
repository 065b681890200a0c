import type { Readable } from 'node:stream';
import { anyHost, type ControlMaster } from './control-master.ts';
import { type ProcessResult, runProcess } from './run-process.ts';

/**
 * A one-line shell script as one word that every login shell (csh and fish too) hands to `sh` as it is. The script must
 * have no single quotes, backslashes, exclamation marks or line breaks; the arguments (`$1` …) must be plain.
 */
export function remoteCommand(script: string, args: readonly string[]): string {
  if (/['\\!\n]/.test(script)) throw new Error(`this is a bug: not a portable remote script: ${script}`);
  const stray = args.find((arg) => !isPlain(arg));
  if (stray !== undefined) throw new Error(`this is a bug: not a portable remote argument: ${stray}`);
  return ['exec sh -c', `'${script}'`, 'towline', ...args].join(' ');
}

/** Whether text goes through any shell unquoted. */
export function isPlain(text: string): boolean {
  return /^[\w./+@:=-]+$/.test(text);
}

export interface RemoteOptions {
  readonly input?: string | Readable;
  readonly timeoutMs: number;
}

/** Runs a `remoteCommand` on the node. Rejects only as `runProcess` does. */
export async function runRemote(
  master: ControlMaster,
  command: string,
  options: RemoteOptions,
  signal: AbortSignal,
): Promise<ProcessResult> {
  return await runProcess([...master.argv, '-T', ...anyHost, command], { env: master.env, ...options }, signal);
}
