/** A file with several names that the source changes or deletes: what the switch itself does to the other names is not the node's doing. */
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullStep, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';
let work = '';

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'linked-'));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  work = join(node, 'home/work');
  mkdirSync(join(source, 'below'), { recursive: true });
  mkdirSync(join(node, 'home'), { recursive: true });
  writeFileSync(join(source, 'a'), 'version 1');
  for (const name of ['b', 'below/c']) linkSync(join(source, 'a'), join(source, name));
  sync();
  outlastClockGrain(join(work, 'a'));
  sync();
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function sync(before: (step: PullStep) => void = () => undefined): ReturnType<typeof pull> {
  return pull(plainSnapshot(source), { node, before });
}

function expectSame(): void {
  expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
}

const keptTexts = (): string[] =>
  new KeptVersions(join(node, 'conflicts')).list().map(({ data }) => readFileSync(data, 'utf8'));

const changes: readonly (readonly [string, () => void])[] = [
  ['written to', () => writeFileSync(join(source, 'a'), 'version 2')],
  ['deleted', () => ['a', 'b', 'below/c'].forEach((name) => unlinkSync(join(source, name)))],
  ['deleted but for one name', () => ['a', 'b'].forEach((name) => unlinkSync(join(source, name)))],
  [
    'taken apart',
    () => {
      unlinkSync(join(source, 'b'));
      writeFileSync(join(source, 'b'), 'of its own');
      writeFileSync(join(source, 'a'), 'version 2');
    },
  ],
];

test.each(changes)('%s: no conflict', (_, change) => {
  change();
  const result = sync();
  expect([result.conflicts, result.problems, keptTexts()]).toEqual([[], [], []]);
  expectSame();
});

test.each(changes)('%s, and the node wrote to it after the plan: that is kept', (_, change) => {
  change();
  sync((step) => {
    if (step === 'switch') appendFileSync(join(work, 'b'), ', theirs');
  });
  sync();
  expect(keptTexts()).toContain('version 1, theirs');
  expectSame();
});
