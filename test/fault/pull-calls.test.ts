/** What a pull asks for, over a real link: nothing that came by itself, nothing that git has, all the rest. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { codeOf } from '../helpers/code-of.ts';
import { GitRepository } from '../helpers/git-repository.ts';
import { noise } from '../helpers/noise.ts';
import { PullLink } from '../helpers/pull-link.ts';
import { SourceBench } from '../helpers/source-bench.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

const { signal } = new AbortController();
const far = { compression: 'far', fromGit: true } as const;

let bench: SourceBench;
let source: Source;
let node = '';
let link: PullLink;
beforeEach(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
  node = join(bench.top, 'node');
  mkdirSync(join(node, 'home'), { recursive: true });
  source = await bench.open();
  link = await PullLink.make(node);
  for (let n = 0; n < 40; n += 1) write(`d${n % 5}/f${n}`, noise(n, 40_000));
});
afterEach(async () => {
  await link[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

function write(path: string, bytes: Uint8Array | string): void {
  mkdirSync(join(bench.root, path, '..'), { recursive: true });
  writeFileSync(join(bench.root, path), bytes);
}

async function snapshot(): Promise<Snapshot> {
  return await source.snapshot({ verify: false }, signal);
}

function expectPulled(...calls: readonly string[]): void {
  expect(link.calls.splice(0)).toEqual(calls);
  expect(missingOrDifferent(readTree(bench.root), readTree(join(node, 'home/work')))).toEqual([]);
}

test('what is new follows the delta, and is not asked for', async () => {
  const first = await snapshot();
  await link.pull(first, far, undefined);
  expectPulled('pull.manifest', 'pull.chunks');
  for (let n = 0; n < 30; n += 1) write(`d${n % 5}/f${n}`, noise(100 + n, 50_000));
  const second = await snapshot();
  const { fetchedBytes } = await link.pull(second, far, first);
  expectPulled('pull.foreseen');
  expect(fetchedBytes).toBe(30 * 50_000);
  // As much as is known already, under other names.
  cpSync(join(bench.root, 'd1'), join(bench.root, 'copies/d1'), { recursive: true });
  cpSync(join(bench.root, 'd2'), join(bench.root, 'copies/d2'), { recursive: true });
  cpSync(join(bench.root, 'd3'), join(bench.root, 'copies/d3'), { recursive: true });
  const third = await snapshot();
  expect((await link.pull(third, far, second)).fetchedBytes).toBe(0);
  expectPulled('pull.foreseen');
});

test('whether what is gone is ignored now comes along, and is not asked', async () => {
  const first = await snapshot();
  await link.pull(first, far, undefined);
  link.calls.length = 0;
  for (const gone of ['d1/f1', 'd2']) rmSync(join(bench.root, gone), { recursive: true });
  // One directory, one file.
  write('.gitignore', 'd3/\nf4\n');
  const second = await snapshot();
  expect((await link.pull(second, far, first)).removed).toBe(2 + 8);
  expectPulled();
  // Of a root that is something else the controller knows nothing.
  write('.gitignore', 'd3/\nd4/\nf0\n');
  rmSync(join(bench.root, 'd1/f6'));
  expect((await link.pull(await snapshot(), far, first)).removed).toBe(1);
  expectPulled('pull.manifest', 'pull.classify', 'pull.chunks');
});

test('a root that is not what was believed gets what it lacks, and no more', async () => {
  const first = await snapshot();
  await link.pull(first, far, undefined);
  for (let n = 0; n < 30; n += 1) write(`d${n % 5}/f${n}`, noise(100 + n, 50_000));
  const second = await snapshot();
  await link.pull(second, far, undefined);
  link.calls.length = 0;
  for (let n = 0; n < 30; n += 1) write(`d${n % 5}/f${n}`, noise(200 + n, 50_000));
  const third = await snapshot();
  const { fetchedBytes } = await link.pull(third, far, first);
  expectPulled('pull.foreseen', 'pull.manifest', 'pull.chunks');
  expect(fetchedBytes).toBe(30 * 50_000);
  // It is what it is to be: whatever is sent to it is of no use.
  expect((await link.pull(third, far, first)).fetchedBytes).toBe(0);
  expectPulled();
});

test('what the node lost besides is asked for', async () => {
  const first = await snapshot();
  await link.pull(first, far, undefined);
  link.calls.length = 0;
  rmSync(join(node, 'home/work/d4/f39'));
  for (let n = 0; n < 30; n += 1) write(`d${n % 5}/f${n}`, noise(100 + n, 50_000));
  const { fetchedBytes } = await link.pull(await snapshot(), far, first);
  expectPulled('pull.foreseen', 'pull.chunks');
  expect(fetchedBytes).toBe(30 * 50_000 + 40_000);
});

test('a file that changed meanwhile ends it, and so does whoever asked for it; the next one makes it right', async () => {
  const first = await snapshot();
  await link.pull(first, far, undefined);
  for (let n = 0; n < 30; n += 1) write(`d${n % 5}/f${n}`, noise(100 + n, 50_000));
  const second = await snapshot();
  write('d2/f7', noise(999, 50_000));
  expect(await codeOf(link.pull(second, far, first))).toBe('source-changed');
  const stop = new AbortController();
  const third = await snapshot();
  const stopped = link.pull(third, far, first, stop.signal);
  stop.abort(new TowError('cancelled', 'stop'));
  expect(await codeOf(stopped)).toBe('cancelled');
  link.calls.length = 0;
  await link.pull(third, far, undefined);
  expect(missingOrDifferent(readTree(bench.root), readTree(join(node, 'home/work')))).toEqual([]);
});

test('what git has packed is made from the pack, which is fetched with what else there is', async () => {
  const repository = new GitRepository(bench.root, join(bench.top, 'scratch'));
  for (let n = 0; n < 60; n += 1) write(`text/t${n}`, noise(n, 75_000).toString('base64'));
  repository.pack();
  repository.git('checkout', '-qb', 'other');
  for (let n = 0; n < 60; n += 1) write(`text/t${n}`, noise(500 + n, 75_000).toString('base64'));
  repository.pack();
  write('untracked', noise(77, 50_000));
  const first = await snapshot();
  const { fetchedBytes, reusedBytes } = await link.pull(first, far, undefined);
  expectPulled('pull.manifest', 'pull.objects', 'pull.chunks');
  expect(reusedBytes).toBeGreaterThan(60 * 100_000);
  expect(fetchedBytes).toBeLessThan(first.totals.bytes - 60 * 100_000 + 1);
  repository.git('checkout', '-q', 'master');
  const back = await link.pull(await snapshot(), far, first);
  expectPulled('pull.objects', 'pull.chunks');
  expect([back.reusedBytes >= 60 * 100_000, back.fetchedBytes < 30_000]).toEqual([true, true]);
  // Between near ends nothing is looked for.
  rmSync(node, { recursive: true });
  mkdirSync(join(node, 'home'), { recursive: true });
  await using near = await PullLink.make(node);
  const all = await snapshot();
  expect((await near.pull(all, { ...far, compression: 'near' }, undefined)).reusedBytes).toBe(0);
  expect(near.calls).toEqual(['pull.manifest', 'pull.chunks']);
});
