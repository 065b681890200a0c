/** The thread that does a pull's file work: role 'replica'. One session a thread, so nothing is shared between pulls. */
import { assert } from '../../base/assert.ts';
import { serveWorker, type TaskHandlers } from '../../base/worker-server.ts';
import { KeptVersions } from './kept-versions.ts';
import { recoverRoot } from './recover.ts';
import { Session, type SessionOptions, type StagedTotals } from './session.ts';

export interface FileStep {
  readonly bytes: number;
  readonly finishedFiles: number;
}

export type ReplicaTasks = {
  readonly recover: {
    readonly input: { readonly stateDir: string; readonly conflictsDir: string };
    readonly event: never;
    readonly output: { readonly rolledForward: boolean };
  };
  readonly open: {
    readonly input: SessionOptions;
    readonly event: never;
    readonly output: { readonly knowsManifest: boolean };
  };
  readonly block: { readonly input: Uint8Array; readonly event: never; readonly output: undefined };
  readonly observe: { readonly input: undefined; readonly event: never; readonly output: readonly string[] };
  readonly stage: { readonly input: readonly number[]; readonly event: never; readonly output: StagedTotals };
  readonly reuse: {
    readonly input: { readonly maxRuns: number };
    readonly event: FileStep;
    readonly output: { readonly ranges: readonly (readonly number[])[]; readonly bytes: number };
  };
  readonly pack: { readonly input: Uint8Array; readonly event: never; readonly output: FileStep };
  readonly prepare: { readonly input: undefined; readonly event: never; readonly output: undefined };
  readonly switch: { readonly input: undefined; readonly event: never; readonly output: undefined };
  readonly settle: { readonly input: undefined; readonly event: never; readonly output: undefined };
  readonly finish: { readonly input: undefined; readonly event: never; readonly output: ReturnType<Session['finish']> };
  readonly abandon: { readonly input: undefined; readonly event: never; readonly output: undefined };
};

let current: Session | undefined;

function session(): Session {
  assert(current !== undefined, 'no pull is open in this thread');
  return current;
}

const nothing = { output: undefined };

const handlers: TaskHandlers<ReplicaTasks> = {
  recover: ({ stateDir, conflictsDir }) => ({
    output: { rolledForward: recoverRoot(stateDir, new KeptVersions(conflictsDir)).rolledForward !== undefined },
  }),
  open: (options) => {
    current = new Session(options);
    return { output: { knowsManifest: current.knowsManifest } };
  },
  block: (block) => {
    session().manifestBlock(asBuffer(block));
    return nothing;
  },
  observe: () => ({ output: session().observe() }),
  stage: (ignored) => ({ output: session().stage(ignored) }),
  reuse: ({ maxRuns }, emit) => ({
    output: session().reuse(maxRuns, (bytes, finishedFiles) => emit({ bytes, finishedFiles })),
  }),
  pack: (pack) => ({ output: session().pack(asBuffer(pack)) }),
  prepare: () => {
    session().prepare();
    return nothing;
  },
  switch: () => {
    session().switch();
    return nothing;
  },
  settle: () => {
    session().settle();
    return nothing;
  },
  finish: () => ({ output: session().finish() }),
  abandon: () => {
    current?.abandon();
    current = undefined;
    return nothing;
  },
};

export function serveReplicaWorker(): void {
  serveWorker(handlers);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
