/**
 * Random trees whose directories the source renames, into one another too, while both sides edit. After each pull the node
 * has what the source has, nothing besides what somebody made there, and every version of the node's is there or kept.
 */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readJournal } from '../../protocol/pull/replica/journal.ts';
import { firstSeed } from '../helpers/first-seed.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { Random } from '../helpers/random.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';
import { WatchedNode, watchedPull } from '../helpers/watched-pull.ts';

const cases = Number(process.env['TOWLINE_PULL_CASES'] ?? 40);

function pathsIn(root: string, wanted: 'file' | 'dir'): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(root, path)).isDirectory() === (wanted === 'dir'))
    .sort();
}

function pick(random: Random, from: readonly string[]): string | undefined {
  return from[random.below(from.length)];
}

function editSource(source: string, random: Random, round: number): void {
  for (let n = random.below(3); n >= 0; n -= 1) {
    const from = pick(random, pathsIn(source, 'dir'));
    const into = pick(random, ['', ...pathsIn(source, 'dir')]) ?? '';
    if (from === undefined || into === from || into.startsWith(`${from}/`)) continue;
    renameSync(join(source, from), join(source, into, `n${round}${n}`));
  }
  for (let n = random.below(3); n > 0; n -= 1) {
    const directory = pick(random, pathsIn(source, 'dir')) ?? '';
    const roll = random.below(4);
    if (roll === 0 && directory !== '') rmSync(join(source, directory), { recursive: true });
    else if (roll <= 1) mkdirSync(join(source, directory, `m${random.below(100)}`), { recursive: true });
    else writeFileSync(join(source, directory, `f${random.below(9)}`), `source ${random.below(1e9)}`);
  }
}

/** Returns what it wrote. */
function editNode(work: string, random: Random): string[] {
  const texts: string[] = [];
  for (let n = random.below(4); n > 0; n -= 1) {
    const text = `node ${random.below(1e9)}`;
    const file = pick(random, pathsIn(work, 'file'));
    const roll = random.below(4);
    if (roll === 0 && file !== undefined && !readFileSync(join(work, file), 'utf8').includes('node '))
      rmSync(join(work, file));
    else if (roll === 1 && file !== undefined) {
      appendFileSync(join(work, file), text);
      texts.push(text);
    } else {
      const directory = pick(random, pathsIn(work, 'dir')) ?? '';
      writeFileSync(join(work, directory, `own${text}`), text);
      texts.push(text);
    }
  }
  return texts;
}

async function runCase(seed: number): Promise<number> {
  const random = new Random(seed);
  const top = realpathSync(mkdtempSync(join(tmpdir(), 'renamed-')));
  using held = new WatchedNode();
  let whole = 0;
  try {
    const [source, node] = [join(top, 'src'), join(top, 'node')];
    const work = join(node, 'home/work');
    mkdirSync(join(node, 'home'), { recursive: true });
    for (let d = 0; d < 6; d += 1) {
      const directory = join(source, ['a', 'b', 'c'].slice(0, 1 + random.below(3)).join('/'), `d${d}`);
      mkdirSync(directory, { recursive: true });
      for (let n = random.below(4); n >= 0; n -= 1) writeFileSync(join(directory, `f${n}`), `source ${seed} ${d} ${n}`);
    }
    await watchedPull(plainSnapshot(source), { node }, held);
    for (let round = 0; round < 4; round += 1) {
      outlastClockGrain(join(source, readdirSync(source)[0] ?? ''));
      await watchedPull(plainSnapshot(source), { node }, held);
      editSource(source, random, round);
      const texts = random.chance(0.5) ? editNode(work, random) : [];
      const late = random.chance(0.3);
      const where = `seed ${seed} round ${round}`;
      await watchedPull(plainSnapshot(source), { node }, held, () => {
        whole += (readJournal(join(node, 'state'))?.ops ?? []).filter(({ op }) => op === 'moveTree').length;
        if (late) texts.push(...editNode(work, random));
      });
      // What was edited after the plan is the next pull's to see.
      await watchedPull(plainSnapshot(source), { node }, held);
      const got = readTree(work);
      expect(missingOrDifferent(readTree(source), got), where).toEqual([]);
      mkdirSync(join(node, 'conflicts'), { recursive: true });
      const there = [work, join(node, 'conflicts')].flatMap((at) =>
        pathsIn(at, 'file').map((path) => readFileSync(join(at, path), 'utf8')),
      );
      // A later edit may have taken the place of an earlier one.
      for (const text of texts)
        expect(
          there.some((each) => each.includes(text) || each.startsWith('node')),
          `${where}: ${text}`,
        ).toBe(true);
      const want = readTree(source);
      for (const [path, { kind }] of got)
        if (!want.has(path) && kind === 'file')
          expect(readFileSync(join(work, path), 'utf8'), `${where}: ${path}`).toContain('node ');
    }
    return whole;
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

test(`${cases} random cases from seed ${firstSeed}`, { timeout: 600_000 }, async () => {
  let whole = 0;
  for (let seed = firstSeed; seed < firstSeed + cases; seed += 1) whole += await runCase(seed);
  expect(whole).toBeGreaterThan(cases / 2);
});
