/**
 * Random trees, random edits on both sides, pull, compare with a reference. After each pull:
 *  - every path of the source is on the node with its type, bytes, mode, mtime, link text and link group;
 *  - what Towline had put there and the source dropped is gone;
 *  - every version that somebody made on the node is still there, untouched if it was not in the way, else in conflicts;
 *  - nothing else is there.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstSeed } from '../helpers/first-seed.ts';
import { type PlainSnapshot, plainSnapshot } from '../helpers/plain-source.ts';
import { pull } from '../helpers/pull.ts';
import { Random } from '../helpers/random.ts';
import { RandomTree } from '../helpers/random-tree.ts';
import { missingOrDifferent, readTree, type TreeItem } from '../helpers/tree.ts';
import { WatchedNode, watchedPull } from '../helpers/watched-pull.ts';

const cases = Number(process.env['TOWLINE_PULL_CASES'] ?? 40);

function isUnder(path: string, above: string): boolean {
  return above === '' || path === above || path.startsWith(`${above}/`);
}

/** What the node's tree is, by path: put there by the last pull and unchanged, or somebody's. */
function theirsOf(node: ReadonlyMap<string, TreeItem>, ours: ReadonlyMap<string, TreeItem>): Map<string, TreeItem> {
  return new Map(
    [...node].filter(
      ([path, item]) =>
        item.kind !== 'dir' && (ours.get(path)?.content !== item.content || ours.get(path)?.kind !== item.kind),
    ),
  );
}

function keptContents(conflicts: string): Set<string> {
  const kept = new Set<string>();
  mkdirSync(conflicts, { recursive: true });
  for (const item of readTree(conflicts).values()) if (item.content !== '') kept.add(`${item.kind} ${item.content}`);
  return kept;
}

/** `watched`: as an agent does that knows what it holds, and is sent what changed. */
async function runCase(seed: number, watched: WatchedNode | undefined): Promise<void> {
  const random = new Random(seed);
  const top = mkdtempSync(join(tmpdir(), 'pull-'));
  try {
    const [source, node] = [join(top, 'src'), join(top, 'node')];
    mkdirSync(source);
    mkdirSync(join(node, 'home'), { recursive: true });
    const sourceTree = new RandomTree(source, random);
    const work = join(node, 'home/work');
    let ours = new Map<string, TreeItem>();
    if (random.chance(0.2)) mkdirSync(work);
    for (let round = 0; round < 4; round += 1) {
      for (let n = random.below(round === 0 ? 60 : 20); n >= 0; n -= 1) sourceTree.edit();
      // A write by another name of a file that had one is what a watch does not see (SEMANTICS.md, 3).
      const nodeTree = new RandomTree(work, random, watched === undefined);
      if (round > 0) for (let n = random.below(8); n > 0; n -= 1) nodeTree.edit();
      const before = round > 0 ? readTree(work) : new Map<string, TreeItem>();
      const theirs = theirsOf(before, ours);
      const want = readTree(source);
      await pullTo(node, plainSnapshot(source), watched);
      const got = readTree(work);
      const where = `seed ${seed} round ${round}`;
      expect(missingOrDifferent(want, got), where).toEqual([]);
      const kept = keptContents(join(node, 'conflicts'));
      for (const [path, item] of theirs) {
        const now = got.get(path);
        const there = now?.kind === item.kind && now.content === item.content;
        const inTheWay = [...want].some(
          ([p, w]) => (p === path && w.kind !== 'dir') || (w.kind !== 'dir' && isUnder(path, p)) || p === path,
        );
        const ownsPath = ours.has(path);
        if (there) continue;
        expect(
          inTheWay || ownsPath || [...ours.keys()].some((p) => p !== '' && isUnder(path, p)),
          `${where}: ${JSON.stringify(path)} of the node vanished`,
        ).toBe(true);
        expect(
          kept.has(`${item.kind} ${item.content}`),
          `${where}: ${JSON.stringify(path)} of the node was not kept`,
        ).toBe(true);
      }
      for (const [path, item] of got) {
        if (want.has(path)) continue;
        const wasTheirs =
          before.get(path)?.content === item.content && (!ours.has(path) || item.kind === 'dir' || theirs.has(path));
        expect(wasTheirs, `${where}: ${JSON.stringify(path)} is on the node but neither the source's nor theirs`).toBe(
          true,
        );
      }
      ours = new Map([...got].filter(([path]) => want.has(path)));
      // Nothing to do the second time, and nothing changes.
      const again = await pullTo(node, plainSnapshot(source), watched);
      expect([again.placed, again.removed], where).toEqual([0, 0]);
      expect(missingOrDifferent(got, readTree(work)), where).toEqual([]);
    }
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

async function pullTo(
  node: string,
  snapshot: PlainSnapshot,
  watched: WatchedNode | undefined,
): Promise<{ readonly placed: number; readonly removed: number }> {
  if (watched !== undefined) return await watchedPull(snapshot, { node }, watched);
  const result = pull(snapshot, { node });
  if (result.placed === 0) expect(result.fetchedBytes).toBe(0);
  return result;
}

test(`${cases} random cases from seed ${firstSeed}`, { timeout: 600_000 }, async () => {
  for (let seed = firstSeed; seed < firstSeed + cases; seed += 1) await runCase(seed, undefined);
});

test(`${cases} random cases from seed ${firstSeed}, watched`, { timeout: 600_000 }, async () => {
  let deltas = 0;
  let partial = 0;
  for (let seed = firstSeed; seed < firstSeed + cases; seed += 1) {
    using watched = new WatchedNode();
    await runCase(seed, watched);
    deltas += watched.deltas;
    partial += watched.partial;
  }
  expect(deltas).toBeGreaterThan(cases / 4);
  expect(partial).toBeGreaterThan(cases / 2);
});
