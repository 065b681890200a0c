/** The walk of a whole tree by several threads: its upper levels first, then what is below them, in parts. */
import { joinPath, type RootPath } from '../../base/root-path.ts';
import { combineRules, type RuleState } from './ignore/rule-state.ts';
import { Listing, unframeListings } from './listing.ts';
import { rootItself, type WalkOutput, type WalkPart } from './tasks.ts';

/** Levels that are listed for themselves; each costs one message there and back. */
const upperLevels = 2;
/** Parts a thread, so that large ones even out. */
const partsEach = 8;

/** Lists some directories in another thread, which need not read again what is `tracked`; frames of listings come before it resolves. */
export type WalkSome = (
  parts: readonly WalkPart[],
  tracked: RuleState['tracked'],
  onFrames: (frames: Uint8Array) => void,
) => Promise<WalkOutput>;

/**
 * What the tasks came to, together. Directories that vanished between the listing of their parent and their own are
 * `gone`; then, and when it is `unclear`, only a walk by one thread tells what is there.
 */
export async function walkInParts(walk: WalkSome, threads: number): Promise<WalkOutput> {
  const outputs: WalkOutput[] = [];
  let level: RootPath[] = [''];
  for (let depth = 0; depth < upperLevels && level.length > 0; depth += 1) {
    const below: RootPath[] = [];
    const onFrames = (frames: Uint8Array): void => {
      for (const path of directoriesIn(frames)) below.push(path);
    };
    outputs.push(
      await walk(
        level.map((path) => ({ path, deep: false })),
        trackedIn(outputs),
        onFrames,
      ),
    );
    level = below;
  }
  const count = Math.min(level.length, threads * partsEach);
  const parts = Array.from({ length: count }, (_, part): WalkPart[] =>
    level.filter((__, at) => at % count === part).map((path) => ({ path, deep: true })),
  );
  const tracked = trackedIn(outputs);
  outputs.push(...(await Promise.all(parts.map((part) => walk(part, tracked, () => undefined)))));
  return together(outputs);
}

function trackedIn(outputs: readonly WalkOutput[]): RuleState['tracked'] {
  return new Map(outputs.flatMap(({ rules }) => [...rules.tracked]));
}

function* directoriesIn(frames: Uint8Array): Generator<RootPath, void, void> {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  for (const frame of unframeListings(bytes)) {
    if (frame.path === rootItself) continue;
    const listing = new Listing(frame.listing);
    let at = 0;
    for (const { name } of listing.texts()) {
      if (listing.kind(at) === 'dir') yield joinPath(frame.path, name);
      at += 1;
    }
  }
}

function together(outputs: readonly WalkOutput[]): WalkOutput {
  const sum = (field: 'skipped' | 'files' | 'ignored'): number =>
    outputs.reduce((total, output) => total + output[field], 0);
  const rules = combineRules(outputs.map((output) => output.rules));
  return {
    problems: outputs.flatMap(({ problems }) => problems),
    warnings: [...new Set(outputs.flatMap(({ warnings }) => warnings))],
    skipped: sum('skipped'),
    files: sum('files'),
    ignored: sum('ignored'),
    firstRule: outputs.find(({ firstRule }) => firstRule !== undefined)?.firstRule,
    rules: rules ?? { inputs: [], facts: new Map(), tracked: new Map() },
    gone: outputs.flatMap(({ gone }) => gone),
    empty: outputs.flatMap(({ empty }) => empty),
    // Rules that changed meanwhile were not the same for all.
    unclear: rules === undefined || outputs.some(({ unclear }) => unclear),
  };
}
