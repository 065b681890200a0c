/**
 * The thread that does a root's file work: role 'replica'. One session at a time; the ledger is kept from one to the next,
 * for reading it takes longer than most pulls.
 */
import { assert } from '../../base/assert.ts';
import type { RootPath } from '../../base/root-path.ts';
import { serveWorker, type TaskHandlers } from '../../base/worker-server.ts';
import type { Digest } from '../../chunk/digest.ts';
import type { CataloguedBlock } from './chunk-store.ts';
import type { Left } from './chunk-supply.ts';
import { type EarlyCall, EarlyCopies } from './early-copies.ts';
import { type AdvanceOptions, FilesInAdvance } from './files-in-advance.ts';
import { hasJournal } from './journal.ts';
import { KeptVersions } from './kept-versions.ts';
import { LedgerFile } from './ledger-file.ts';
import type { MadeFiles } from './promised-files.ts';
import { recoverRoot } from './recover.ts';
import { Session } from './session.ts';
import type { Remembered, SessionOptions, StagedTotals } from './session-options.ts';
import type { StoredStep } from './stored-chunks.ts';

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
    readonly output: { readonly knowsManifest: boolean; readonly root: string };
  };
  /** Makes ready for files of a root that has none yet; false if it has. */
  readonly advance: { readonly input: AdvanceOptions; readonly event: never; readonly output: boolean };
  /** Copies what a large file will have of one of the root; false if more of it is of no use. */
  readonly early: { readonly input: EarlyCall; readonly event: never; readonly output: boolean };
  /** Deletes what was begun so, if no pull took it. */
  readonly dropEarly: { readonly input: undefined; readonly event: never; readonly output: undefined };
  /** A file pack; its memory goes back, as a pack's does. */
  readonly filePack: {
    readonly input: Uint8Array;
    readonly event: never;
    readonly output: {
      readonly bytes: number;
      readonly files: number;
      readonly promises: boolean;
      readonly pack: Uint8Array;
    };
  };
  /** Makes some of the files that were promised in advance. */
  readonly makePromised: {
    readonly input: undefined;
    readonly event: never;
    readonly output: MadeFiles & { readonly files: number };
  };
  /** A pack that was not asked for; of its bytes, those that were wanted, and how many still are. Its memory goes back. */
  readonly foreseen: {
    readonly input: Uint8Array;
    readonly event: never;
    readonly output: FileStep & { readonly left: number; readonly pack: Uint8Array };
  };
  /** Takes a pack of objects, of which wanted files may be made. */
  readonly promise: { readonly input: Uint8Array; readonly event: never; readonly output: undefined };
  /** What is wanted and was not promised. */
  readonly unpromised: {
    readonly input: { readonly maxRuns: number };
    readonly event: never;
    readonly output: readonly (readonly number[])[];
  };
  readonly make: { readonly input: undefined; readonly event: never; readonly output: MadeFiles & FileStep };
  readonly ledgerDirectories: {
    readonly input: undefined;
    readonly event: never;
    readonly output: readonly RootPath[];
  };
  readonly delta: {
    readonly input: { readonly base: Digest; readonly bytes: Uint8Array };
    readonly event: never;
    readonly output: boolean;
  };
  readonly manifestBlock: { readonly input: Uint8Array; readonly event: never; readonly output: undefined };
  readonly observe: {
    readonly input: ReadonlySet<RootPath> | undefined;
    readonly event: never;
    readonly output: readonly string[];
  };
  readonly look: {
    readonly input: ReadonlySet<RootPath> | undefined;
    readonly event: never;
    readonly output: readonly RootPath[];
  };
  readonly stage: { readonly input: readonly number[]; readonly event: never; readonly output: StagedTotals };
  readonly reuse: {
    readonly input: { readonly maxRuns: number };
    readonly event: FileStep;
    readonly output: Left;
  };
  /**
   * The pack's memory goes back with the result: this thread's heap is large, and outside memory that is left to it to
   * free has it searched again every few packs.
   */
  readonly pack: {
    readonly input: Uint8Array;
    readonly event: never;
    readonly output: FileStep & { readonly pack: Uint8Array };
  };
  /** Ordinals, as first, count, …, that a catalogue has for what is wanted. */
  readonly catalogued: { readonly input: undefined; readonly event: never; readonly output: readonly number[] };
  /** A block from an object store; its memory goes back, as a pack's does. */
  readonly block: {
    readonly input: CataloguedBlock;
    readonly event: never;
    readonly output: StoredStep & { readonly body: Uint8Array };
  };
  /** What is still wanted. */
  readonly left: {
    readonly input: { readonly maxRuns: number };
    readonly event: never;
    readonly output: Left;
  };
  readonly prepare: { readonly input: undefined; readonly event: never; readonly output: undefined };
  readonly switch: { readonly input: undefined; readonly event: never; readonly output: undefined };
  readonly settle: { readonly input: undefined; readonly event: never; readonly output: undefined };
  readonly finish: { readonly input: undefined; readonly event: never; readonly output: ReturnType<Session['finish']> };
};

let current: Session | undefined;
/** What came for the next one. */
let advance: FilesInAdvance | undefined;
/** What was begun for the next one. */
let early: EarlyCopies | undefined;
/** What the last session in this thread that came to its end knew. */
let remembered: Remembered | undefined;

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
    const before = remembered;
    remembered = undefined;
    advance?.end();
    current = new Session(options, before, advance, early);
    [advance, early] = [undefined, undefined];
    return { output: { knowsManifest: current.knowsManifest, root: current.root } };
  },
  advance: (options) => {
    advance?.end();
    advance = FilesInAdvance.begin(options);
    return { output: advance !== undefined };
  },
  early: (call) => {
    const { stateDir } = call.root;
    if (hasJournal(stateDir)) return { output: false };
    if (remembered?.stateDir !== stateDir) remembered = rememberedOf(stateDir);
    early ??= new EarlyCopies();
    return { output: early.copy(remembered?.ledger, call) };
  },
  dropEarly: () => {
    early?.drop();
    early = undefined;
    // Or of a pull that broke off.
    current?.abandon();
    return nothing;
  },
  filePack: (pack) => {
    assert(advance !== undefined, 'files before they were wanted');
    const bytes = advance.take(asBuffer(pack));
    return {
      output: { bytes, files: advance.count, promises: advance.promises, pack },
      transfer: pack.buffer instanceof ArrayBuffer ? [pack.buffer] : [],
    };
  },
  makePromised: () => {
    assert(advance !== undefined, 'files before they were wanted');
    return { output: { ...advance.makePromised(), files: advance.count } };
  },
  foreseen: (pack) => {
    const output = { ...session().supply.foreseen(asBuffer(pack)), pack };
    return { output, transfer: pack.buffer instanceof ArrayBuffer ? [pack.buffer] : [] };
  },
  promise: (frame) => {
    session().supply.fromGit.promise(asBuffer(frame));
    return nothing;
  },
  unpromised: ({ maxRuns }) => ({ output: session().supply.fromGit.unpromised(maxRuns) }),
  make: () => ({ output: session().supply.make() }),
  look: (doubtful) => {
    const output = session().look(doubtful);
    session().abandon();
    remembered = session().remember();
    current = undefined;
    return { output };
  },
  ledgerDirectories: () => ({ output: session().ledgerDirectories }),
  delta: ({ base, bytes }) => ({ output: session().takeDelta(base, asBuffer(bytes)) }),
  manifestBlock: (block) => {
    session().manifestBlock(asBuffer(block));
    return nothing;
  },
  observe: (doubtful) => ({ output: session().observe(doubtful) }),
  stage: (ignored) => ({ output: session().stage(ignored) }),
  reuse: ({ maxRuns }, emit) => ({
    output: session().reuse(maxRuns, (bytes, finishedFiles) => emit({ bytes, finishedFiles })),
  }),
  pack: (pack) => {
    const output = { ...session().supply.pack(asBuffer(pack)), pack };
    return { output, transfer: pack.buffer instanceof ArrayBuffer ? [pack.buffer] : [] };
  },
  catalogued: () => ({ output: session().supply.catalogued() }),
  block: (block) => {
    const { body } = block;
    const output = { ...session().supply.block({ ...block, body: asBuffer(body) }), body };
    return { output, transfer: body.buffer instanceof ArrayBuffer ? [body.buffer] : [] };
  },
  left: ({ maxRuns }) => ({ output: session().supply.left(maxRuns) }),
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
  finish: () => {
    const output = session().finish();
    remembered = session().remember();
    current = undefined;
    return { output };
  },
};

/** What is on the disk, where no switch is to be finished. */
function rememberedOf(stateDir: string): Remembered | undefined {
  const file = new LedgerFile(stateDir);
  const ledger = file.load();
  return ledger === undefined ? undefined : { stateDir, ledger, file };
}

export function serveReplicaWorker(): void {
  serveWorker(handlers);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
