import { serveWorker } from '../../base/worker-server.ts';
import { hashFiles } from './hash-task.ts';
import type { OpenIgnore } from './ignore-scope.ts';
import { makePack } from './pack-task.ts';
import { standings } from './stand-task.ts';
import type { SourceTasks } from './tasks.ts';
import { walkSource } from './walk.ts';

const everything = { send: true, walk: true, verdict: { ignored: false }, tracked: false } as const;
const openIgnore: OpenIgnore = () => {
  const scope = { judge: () => everything, enter: () => scope };
  return { scope, warnings: () => [] };
};

/** Serves the tasks of a source in the calling worker thread (role `source`). */
export function serveSourceWorker(): void {
  serveWorker<SourceTasks>({
    walk: (input, emit) => ({ output: walkSource(input, openIgnore, emit) }),
    hash: hashFiles,
    pack: (input) => makePack(input),
    stand: (input) => ({ output: standings(input, input.paths, openIgnore) }),
  });
}
