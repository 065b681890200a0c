import { absolutePath, joinPath, type RootPath } from '../../base/root-path.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { metaOp, type Placement, type Plan } from './plan.ts';
import type { Stage } from './stage.ts';
import { StagedFile, stageSymlink } from './staged-file.ts';
import { applyMeta } from './switch.ts';
import { firstOrdinals, Wants } from './wants.ts';

/** Begins the staging of a plan: symlinks and empty files are made, files of an earlier pull taken up. Blocking. */
export function stagePlan(
  stage: Stage,
  manifest: Manifest,
  plan: Plan,
): { readonly wants: Wants; readonly finishedFiles: number } {
  if (stage.appears) stage.prepareTree(manifest);
  const wants = new Wants();
  let finishedFiles = 0;
  const ordinals = firstOrdinals(manifest, new Set(plan.placements.map(({ path }) => path)));
  for (const { path, entry } of plan.placements) {
    const where = stage.where(path, entry);
    if (entry.kind === 'symlink') stageSymlink(where, entry, stage.fresh);
    if (entry.kind !== 'file') continue;
    const file = new StagedFile(where, entry);
    const indexes = stage.fresh ? file.begin() : file.resume(stage.trusted);
    if (indexes.length === 0) finishedFiles += 1;
    else wants.add(file, ordinals.get(path) ?? 0, indexes);
  }
  return { wants, finishedFiles };
}

/** Makes the staged hard links, once every file they name is complete. Blocking. */
export function stageLinks(stage: Stage, root: string, placements: readonly Placement[]): void {
  const files = new Map<RootPath, Placement>(
    placements.filter(({ entry }) => entry.kind === 'file').map((placement) => [placement.path, placement]),
  );
  for (const { path, entry } of placements) {
    if (entry.kind !== 'hardlink') continue;
    const target = files.get(entry.content);
    stage.link(
      path,
      entry,
      target === undefined ? absolutePath(root, entry.content) : stage.where(target.path, target.entry),
    );
  }
}

/** Gives the directories of a staged tree their modes and times, upwards; the root's own mode is left to the switch. Blocking. */
export function finishTree(stage: Stage, manifest: Manifest): void {
  const tree = `${stage.directory}/tree`;
  for (const path of [...manifest.directories.keys()].sort().toReversed()) {
    const directory = manifest.directories.get(path);
    for (const entry of directory?.entries ?? []) {
      if (entry.kind === 'dir') applyMeta(tree, metaOp(joinPath(path, entry.name), entry));
    }
  }
}
