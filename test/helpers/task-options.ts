import type { TaskOptions } from '../../controller/api/command.ts';

/** Options of a command line that has nothing but `rest`. */
export function taskOptions(rest: Partial<TaskOptions>): TaskOptions {
  return {
    entry: undefined,
    workdir: undefined,
    noWorkdir: false,
    env: [],
    envFile: undefined,
    secret: [],
    verify: false,
    allowPartial: false,
    allowDelete: false,
    ...rest,
  };
}
