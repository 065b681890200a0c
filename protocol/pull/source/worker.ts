import { serveWorker } from '../../base/worker-server.ts';
import { findObjects } from './find-objects-task.ts';
import { hashPart } from './hash-part-task.ts';
import { hashFiles } from './hash-task.ts';
import { renewRules } from './ignore/rule-state.ts';
import type { OpenIgnore } from './ignore-scope.ts';
import { openRules } from './open-rules.ts';
import { makePack } from './pack-task.ts';
import { recheck } from './recheck-task.ts';
import { standings } from './stand-task.ts';
import type { SourceTasks } from './tasks.ts';
import { walkSource } from './walk.ts';

/** The rules of the last walk in this thread, which a look at a few directories would take long to read again. */
let lastRules: { readonly name: string; readonly rules: ReturnType<OpenIgnore> } | undefined;

function rulesNamed(name: string): OpenIgnore {
  return (where) => {
    if (lastRules?.name !== name) lastRules = { name, rules: openRules(where) };
    return lastRules.rules;
  };
}

/** Serves the tasks of a source in the calling worker thread (role `source`). */
export function serveSourceWorker(): void {
  serveWorker<SourceTasks>({
    walk: (input, emit) => ({ output: walkSource(input, rulesNamed(input.rules), emit) }),
    recheck: (input) => ({ output: recheck(input) }),
    renew: ({ state, changed }) => ({ output: renewRules(state, changed) }),
    hash: hashFiles,
    hashPart,
    pack: (input) => makePack(input),
    findObjects: (input) => ({ output: findObjects(input) }),
    stand: (input) => ({ output: standings(input, input.paths, openRules) }),
  });
}
