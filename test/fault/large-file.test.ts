/** A large file that changed is begun from the one that it takes the place of: whatever that is by then, the bytes are right. */
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { noise } from '../helpers/noise.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullSetup, type PullStep, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';
import { WatchedNode, watchedPull } from '../helpers/watched-pull.ts';

const bytes = 8 << 20;
/** Of the longest chunks of such a file, with room to spare. */
const nearly = bytes - (512 << 10);

let top = '';
let source = '';
let node = '';
let there = '';
let here = '';

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'large-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  [here, there] = [join(source, 'large'), join(node, 'home/work/large')];
  mkdirSync(source);
  mkdirSync(join(node, 'home'), { recursive: true });
  writeFileSync(here, noise(1, bytes));
  sync();
  outlastClockGrain(there);
  sync();
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function sync(before?: PullSetup['before']): ReturnType<typeof pull> {
  return pull(plainSnapshot(source), { node, ...(before === undefined ? {} : { before }) });
}

const at = (step: PullStep, work: () => void) => (now: PullStep) => {
  if (now === step) work();
};

function overwrite(path: string, position: number, data: Buffer): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, data, 0, data.length, position);
  closeSync(fd);
}

function expectSame(): void {
  expect(missingOrDifferent(readTree(source), readTree(join(node, 'home/work')))).toEqual([]);
  const again = sync();
  expect([again.placed, again.fetchedBytes, again.conflicts, again.problems]).toEqual([0, 0, [], []]);
}

const edits: readonly (readonly [string, () => void])[] = [
  ['overwritten here and there', () => [1, 3, 6].map((mib) => overwrite(here, mib << 20, noise(mib, 4096)))],
  ['longer at its beginning', () => writeFileSync(here, Buffer.concat([noise(9, 100_000), readFileSync(here)]))],
  ['longer at its end', () => appendFileSync(here, noise(8, 50_000))],
  ['the same twice', () => appendFileSync(here, readFileSync(here))],
];

test.each(edits)('%s: only what is new is fetched', (_, edit) => {
  edit();
  const result = sync();
  expect(result.fetchedBytes).toBeLessThan(bytes - nearly);
  expect(result.reusedBytes).toBeGreaterThan(nearly);
  expectSame();
});

test('shorter: nothing is fetched but its end', () => {
  truncateSync(here, bytes - (1 << 20));
  expect(sync().fetchedBytes).toBeLessThan(bytes - nearly);
  expectSame();
});

test('with a hole where there was none: zeros, not what was there', () => {
  const all = readFileSync(here);
  truncateSync(here, 0);
  truncateSync(here, bytes);
  overwrite(here, 0, all.subarray(0, 2 << 20));
  overwrite(here, 6 << 20, all.subarray(6 << 20));
  sync();
  expectSame();
});

test('a copy of it comes from it, whatever it is called', () => {
  copyFileSync(here, join(source, 'copy'));
  mkdirSync(join(source, 'below'));
  copyFileSync(here, join(source, 'below/other'));
  appendFileSync(join(source, 'below/other'), noise(5, 60_000));
  const result = sync();
  expect(result.fetchedBytes).toBeLessThan(bytes - nearly);
  expect(result.reusedBytes).toBeGreaterThan(2 * nearly);
  expectSame();
});

test('changed on the node after the look, with its times put back: what it has is not taken for what it had', () => {
  overwrite(here, 1 << 20, noise(3, 4096));
  const result = sync(
    at('reuse', () => {
      overwrite(there, 5 << 20, noise(4, 4096));
      utimesSync(there, new Date(), new Date());
    }),
  );
  // Each chunk is looked at then, and the one that was changed is fetched.
  expect(result.fetchedBytes).toBeGreaterThan(4096);
  const kept = new KeptVersions(join(node, 'conflicts')).list();
  expect(
    kept.map(({ data }) =>
      readFileSync(data)
        .subarray(5 << 20, (5 << 20) + 4096)
        .equals(noise(4, 4096)),
    ),
  ).toEqual([true]);
  expectSame();
});

test('stopped when it was begun, and another version comes next', () => {
  overwrite(here, 1 << 20, noise(3, 4096));
  const stop = at('pack', () => {
    throw new Error('stopped');
  });
  expect(() => sync(stop)).toThrow('stopped');
  overwrite(here, 1 << 20, noise(6, 4096));
  overwrite(here, 7 << 20, noise(7, 4096));
  sync();
  expectSame();
});

test('what comes with the call goes into it: nothing is asked for', async () => {
  using held = new WatchedNode();
  await watchedPull(plainSnapshot(source), { node }, held);
  overwrite(here, 3 << 20, noise(2, 4096));
  const result = await watchedPull(plainSnapshot(source), { node }, held);
  expect([result.reusedBytes > nearly, result.conflicts, result.problems]).toEqual([true, [], []]);
  expectSame();
});

test('of several new ones each comes from the one that it begins like', () => {
  writeFileSync(join(source, 'second'), noise(21, bytes));
  sync();
  outlastClockGrain(join(node, 'home/work/second'));
  sync();
  for (const [name, from] of [
    ['c1', 'large'],
    ['c2', 'second'],
    ['c3', 'second'],
  ] as const)
    copyFileSync(join(source, from), join(source, name));
  writeFileSync(join(source, 'c4'), noise(77, bytes));
  const result = sync();
  expect([result.fetchedBytes, result.reusedBytes]).toEqual([bytes, 3 * bytes]);
  expectSame();
});
