/** Runs a pull in this thread, step by step, from a plain snapshot. */
import { mkdirSync } from 'node:fs';
import type { Reach } from '../../protocol/pull/replica/destination.ts';
import type { EarlyCopies } from '../../protocol/pull/replica/early-copies.ts';
import type { FilesInAdvance } from '../../protocol/pull/replica/files-in-advance.ts';
import { otherRoots } from '../../protocol/pull/replica/inner-roots.ts';
import { Session } from '../../protocol/pull/replica/session.ts';
import type { SessionOptions } from '../../protocol/pull/replica/session-options.ts';
import { manifestBlocks, type PlainSnapshot, packsOf } from './plain-source.ts';

/** What the source says is in git packs; files are made of them before a pack is taken where `makes` says so, and at the end. */
export interface FromGitSetup {
  readonly frames: readonly Uint8Array[];
  readonly makes: () => boolean;
}

export interface PullSetup {
  /** Directory of the test's node: `home`, `state` and `conflicts` lie in it. */
  readonly node: string;
  readonly dest?: string;
  /** Names the root's state, where a node has several. */
  readonly key?: string;
  readonly reach?: Reach;
  /** Destinations of the task's other roots. */
  readonly others?: readonly string[];
  readonly source?: string;
  readonly allowDelete?: boolean;
  readonly verify?: boolean;
  /** Paths that count as ignored at the source when they are absent. */
  readonly ignored?: (path: string) => boolean;
  /** What came before the pull. */
  readonly advance?: FilesInAdvance | undefined;
  readonly early?: EarlyCopies | undefined;
  readonly fromGit?: FromGitSetup;
  /** Called before each step; a throw is a crash there. */
  readonly before?: (step: PullStep) => void;
}

export type PullStep =
  | 'open'
  | 'manifest'
  | 'observe'
  | 'stage'
  | 'reuse'
  | 'pack'
  | 'make'
  | 'prepare'
  | 'switch'
  | 'settle'
  | 'finish';

export function sessionOptions(snapshot: PlainSnapshot, setup: PullSetup): SessionOptions {
  mkdirSync(`${setup.node}/roots`, { recursive: true });
  return {
    stateDir: setup.key === undefined ? `${setup.node}/state` : `${setup.node}/roots/${setup.key}`,
    key: setup.key ?? 'root',
    conflictsDir: `${setup.node}/conflicts`,
    dest: setup.dest ?? '~/work',
    rules: { home: `${setup.node}/home`, reach: setup.reach ?? 'machine' },
    otherRoots: otherRoots(`${setup.node}/roots`, setup.key ?? 'root'),
    otherDestinations: setup.others ?? [],
    source: setup.source ?? 'test:/src',
    digest: snapshot.digest,
    allowDelete: setup.allowDelete ?? true,
    verify: setup.verify ?? false,
  };
}

export function pull(
  snapshot: PlainSnapshot,
  setup: PullSetup,
): ReturnType<Session['finish']> & { readonly fetchedBytes: number } {
  const before = setup.before ?? (() => undefined);
  before('open');
  const session = new Session(sessionOptions(snapshot, setup), undefined, setup.advance, setup.early);
  let fetchedBytes = 0;
  try {
    if (!session.knowsManifest) {
      before('manifest');
      for (const block of manifestBlocks(snapshot)) session.manifestBlock(block);
    }
    before('observe');
    const absent = session.observe(undefined);
    before('stage');
    const staged = session.stage(absent.flatMap((path, at) => (setup.ignored?.(path) === true ? [at] : [])));
    if (staged.settled) {
      before('settle');
      session.settle();
    } else {
      before('reuse');
      let { ranges } = session.reuse(1000, () => undefined);
      const { supply } = session;
      const fetch = (makes: () => boolean): void => {
        for (const pack of ranges.flatMap((list) => [...packsOf(snapshot, list)])) {
          before('pack');
          fetchedBytes += supply.pack(pack).bytes;
          if (makes()) supply.make();
        }
      };
      if (setup.fromGit !== undefined) {
        for (const frame of setup.fromGit.frames) supply.fromGit.promise(Buffer.from(frame));
        ranges = supply.fromGit.unpromised(1000);
        fetch(setup.fromGit.makes);
        while (supply.make().more) before('make');
        ({ ranges } = supply.left(1000));
      }
      fetch(() => false);
      before('prepare');
      session.prepare();
      before('switch');
      session.switch();
    }
    before('finish');
    return { ...session.finish(), fetchedBytes };
  } finally {
    session.abandon();
  }
}
