import { absolutePath, joinPath, type RootPath } from '../../base/root-path.ts';
import { type ChunkList, chunkLength } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { applyMeta } from './apply-meta.ts';
import { type Large, largeFromChunks } from './begin-large.ts';
import type { FilesInAdvance } from './files-in-advance.ts';
import { gitPath } from './git-state.ts';
import { metaOp, type Placement, type Plan, type Tree } from './plan.ts';
import { Stage } from './stage.ts';
import { StagedFile, stageSymlink } from './staged-file.ts';
import { firstOrdinals, Wants } from './wants.ts';

export interface Staging {
  readonly wants: Wants;
  /** Not in `wants` yet. */
  readonly large: readonly Large[];
  readonly finishedFiles: number;
}

/**
 * Begins the staging of a plan: symlinks and empty files are made, files of an earlier pull taken up. Chunks are numbered
 * as the source's manifest has them, `wire`; `standIns` are files that it has at another path; files that came by `advance`
 * as they are to be are finished. Blocking.
 */
export function stagePlan(
  stage: Stage,
  manifest: Manifest,
  plan: Plan,
  wire: { readonly manifest: Manifest; readonly standIns: ReadonlyMap<RootPath, RootPath> },
  advance: FilesInAdvance | undefined,
): Staging {
  stage.keepOnly(plan);
  stage.takeUpAhead(plan);
  const placed = new Set(plan.placements.map(({ path }) => path));
  for (const tree of treesOf(stage, manifest, plan)) stage.prepareTree(tree, manifest, placed);
  const wants = new Wants();
  const large: Large[] = [];
  let finishedFiles = 0;
  const onWire = (path: RootPath): RootPath => wire.standIns.get(path) ?? path;
  const placements = plan.placements.filter(({ path, entry }) => advance?.has(path, entry) !== true);
  finishedFiles += plan.placements.length - placements.length;
  const linked = new Set(placements.flatMap(({ entry }) => (entry.kind === 'hardlink' ? [entry.content] : [])));
  const ordinals = firstOrdinals(wire.manifest, new Set(placements.map(({ path }) => onWire(path))));
  for (const placement of placements) {
    const { path, entry } = placement;
    const where = stage.where(placement);
    if (entry.kind === 'symlink') stageSymlink(where, entry, stage.fresh);
    if (entry.kind !== 'file') continue;
    const file = new StagedFile(where, entry);
    const indexes = stage.fresh ? file.begin() : file.resume(stage.trusted);
    const firstOrdinal = ordinals.get(onWire(path)) ?? 0;
    if (indexes.length === 0) finishedFiles += 1;
    else if (indexes.length >= largeFromChunks)
      large.push({
        path,
        file,
        indexes,
        firstOrdinal,
        bytes: bytesOf(entry.content, indexes),
        // Git's own may be rewritten at any moment by a look at it, on the node too.
        replaces:
          placement.tree === undefined && !linked.has(path) && gitPath(path) === undefined
            ? placement.expect
            : undefined,
      });
    else wants.add(file, firstOrdinal, indexes);
  }
  stage.lookedThrough();
  return { wants, large, finishedFiles };
}

function bytesOf(content: ChunkList, indexes: readonly number[]): number {
  return indexes.reduce((sum, at) => sum + chunkLength(content, at), 0);
}

function treesOf(stage: Stage, manifest: Manifest, plan: Plan): readonly Tree[] {
  return stage.appears ? [Stage.root(manifest)] : plan.trees;
}

/** Makes the staged hard links, once every file they name is complete. Blocking. */
export function stageLinks(stage: Stage, root: string, placements: readonly Placement[]): void {
  const links = placements.filter(({ entry }) => entry.kind === 'hardlink');
  if (links.length === 0) return;
  const files = new Map<RootPath, Placement>(
    placements.filter(({ entry }) => entry.kind === 'file').map((placement) => [placement.path, placement]),
  );
  for (const placement of links) {
    const { content } = placement.entry;
    const target = files.get(content);
    stage.link(placement, target === undefined ? absolutePath(root, content) : stage.where(target));
  }
}

/**
 * Gives the directories below staged trees their modes and times, upwards. A tree's own are left to the switch: without
 * the right to write in it, it cannot be moved. Blocking.
 */
export function finishTrees(stage: Stage, manifest: Manifest, plan: Plan): void {
  for (const tree of treesOf(stage, manifest, plan)) {
    const base = stage.whereTree(tree);
    for (const path of tree.directories.toReversed()) {
      for (const entry of manifest.directories.get(path)?.entries ?? []) {
        if (entry.kind !== 'dir') continue;
        const below = joinPath(path, entry.name).slice(tree.path === '' ? 0 : tree.path.length + 1);
        applyMeta(base, metaOp(below, entry));
      }
    }
  }
}
