import type { ApiEvent } from '../api/event.ts';

/** What a command's implementation has of the CLI that asked for it. */
export interface CommandContext {
  /** Absolute, UTF-16. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Aborts on Ctrl-C and when the CLI goes away. */
  readonly signal: AbortSignal;
  emit(event: ApiEvent): void;
  /** Runs an ssh command line on the CLI's terminal and returns its exit code; undefined when the CLI has none. */
  readonly login: ((argv: readonly string[]) => Promise<number>) | undefined;
}
