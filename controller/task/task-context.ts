import type { PathContext } from './local-path.ts';

/** What a task is read with, all of it the command line's. */
export interface TaskContext extends PathContext {
  readonly env: Readonly<Record<string, string>>;
}
