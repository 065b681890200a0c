import { assert } from '../../base/assert.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import type { Patches } from './begin-large.ts';
import type { Op } from './op.ts';
import { metaOp, type Plan } from './plan.ts';
import { noPrint } from './print.ts';
import type { Stage } from './stage.ts';
import { patchSuffix } from './staged-file.ts';

/** The ops of a switch, in the order in which they must run: what is in the way goes first, times and modes come last. */
export function opsOf(stage: Stage, plan: Plan, manifest: Manifest, patches: Patches): readonly Op[] {
  if (stage.appears) return [{ op: 'appear' }, ...plan.metas.filter(({ path }) => path === '')];
  const trees = plan.trees.map(
    ({ path, entry }): Op => ({ op: 'place', path, staged: stage.name(path, entry), expect: noPrint }),
  );
  const places = plan.placements
    .filter(({ tree }) => tree === undefined)
    .map(({ path, entry, expect }): Op => {
      const staged = stage.name(path, entry);
      const kept = patches.get(path);
      if (kept === undefined) return { op: 'place', path, staged, expect };
      const { size, mode, mtimeSec, mtimeNsec } = entry;
      return { op: 'patch', path, staged: `${staged}${patchSuffix}`, expect, size, mode, mtimeSec, mtimeNsec, kept };
    });
  assert(manifest.root.kind !== 'unknown', 'an unknown root has no plan');
  return [
    ...plan.removals,
    ...plan.directories,
    ...trees,
    ...plan.treeMoves.map(({ from, to, expect }): Op => ({ op: 'moveTree', path: to, from, expect })),
    ...plan.moves,
    ...plan.lateRemovals,
    ...places,
    ...plan.metas,
    ...plan.restores,
    // The stage's trial rename touched the root directory.
    metaOp('', manifest.root),
  ];
}
