/** While a large file is still being read, nodes that have its former version are told what it has of that: over a real link. */
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HeldRoots } from '../../controller/sync/held-roots.ts';
import type { SourceRoot, SyncNode } from '../../controller/sync/sync-root.ts';
import { takeSome, tellEarly } from '../../controller/sync/tell-early.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { acceptLink, openLink } from '../../protocol/link/open-link.ts';
import { type EarlyRange, EarlyRanges } from '../../protocol/pull/source/early-ranges.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { type AgentMethods, agentMethods } from '../../protocol/wire/methods.ts';
import { never, secret, secretOf } from '../helpers/link-pair.ts';
import { noise } from '../helpers/noise.ts';
import { nothingOfAgents } from '../helpers/pull-link.ts';
import { type SocketPair, socketPair } from '../helpers/socket-pair.ts';
import { SourceBench } from '../helpers/source-bench.ts';

type Early = Parameters<Handlers<AgentMethods>['pull.early']>[0];

const mib = 1 << 20;
const bytes = 40 * mib;

let bench: SourceBench;
let source: Source;
let sockets: SocketPair;
let told: Early[];
let answer: (call: Early) => boolean;
let node: SyncNode;
let held: HeldRoots;
let file: string;
let base: Snapshot;

beforeEach(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
  file = join(bench.root, 'large');
  writeFileSync(file, noise(1, bytes));
  source = await bench.open();
  base = await source.snapshot({ verify: false }, never);
  told = [];
  answer = () => true;
  sockets = await socketPair('unix');
  const handlers: Handlers<AgentMethods> = {
    ...nothingOfAgents,
    'pull.early': async (call) => {
      told.push(call);
      return { wanted: answer(call) };
    },
  };
  const [, link] = await Promise.all([
    openLink(sockets.dialler, { local: agentMethods, remote: {}, handlers, keyId: 'key', secret, build: 'b1' }, never),
    acceptLink(
      sockets.listener,
      { secretOf, build: 'b2', partsFor: () => ({ local: {}, remote: agentMethods, handlers: {} }) },
      never,
    ),
  ]);
  node = nodeWith(link);
  held = new HeldRoots();
  held.set('key', '~/work', base);
});
afterEach(async () => {
  await sockets[Symbol.asyncDispose]();
  await bench[Symbol.asyncDispose]();
});

function nodeWith(link: Link<AgentMethods>): SyncNode {
  return { name: 'head', keyId: 'key', serve: () => ({ compression: undefined }), link: async () => link };
}

function rootOf(): SourceRoot {
  return {
    type: 'source',
    name: 'workdir',
    dest: '~/work',
    level: 0,
    others: [],
    from: bench.root,
    guardSource: true,
    source,
  };
}

/** Takes a snapshot, and lets all of it be told. */
async function scan(until: () => boolean): Promise<void> {
  const early = new EarlyRanges();
  const snapshot = source.snapshot({ verify: false, early }, never);
  await using _ = tellEarly([node], rootOf(), early, { held }, never);
  await snapshot;
  await expect.poll(until, { timeout: 20_000 }).toBe(true);
}

/** How much was told of a file, all of which must be so. */
function truths(path: string, now: Buffer): number {
  const old = noise(1, bytes);
  let sum = 0;
  for (const { ranges } of told.filter((call) => call.path === path)) {
    for (let at = 0; at < ranges.length; at += 3) {
      const [from = 0, to = 0, length = 0] = ranges.slice(at, at + 3);
      expect(old.subarray(from, from + length).equals(now.subarray(to, to + length))).toBe(true);
      sum += length;
    }
  }
  return sum;
}

const nearly = bytes - 4 * mib;

test('of one that became longer: where what it had is now', async () => {
  const now = Buffer.concat([
    noise(2, mib),
    noise(1, bytes).subarray(0, 20 * mib),
    noise(3, 777),
    noise(1, bytes).subarray(21 * mib),
  ]);
  writeFileSync(file, Buffer.concat([now, noise(4, mib)]));
  await scan(() => truths('large', readFileSync(file)) > nearly - mib);
  expect(told[0]).toMatchObject({ dest: '~/work', base: base.digest, from: 'large', size: now.length + mib });
});

test('of a copy: that it is one', async () => {
  copyFileSync(file, join(bench.root, 'copy'));
  await scan(() => truths('copy', readFileSync(file)) > nearly);
  expect(told.every(({ from, size }) => from === 'large' && size === bytes)).toBe(true);
});

test('of one that the node can patch nothing is told', async () => {
  const edited = noise(1, bytes);
  edited.write('edited', 5 * mib);
  writeFileSync(file, edited);
  // The copy is told of last.
  copyFileSync(file, join(bench.root, 'copy'));
  writeFileSync(join(bench.root, 'longer'), Buffer.concat([edited, noise(5, mib)]));
  await source.snapshot({ verify: false }, never);
  copyFileSync(file, join(bench.root, 'other'));
  held.set('key', '~/work', await source.snapshot({ verify: false }, never));
  edited.write('again', 9 * mib);
  writeFileSync(file, edited);
  appendFileSync(join(bench.root, 'longer'), noise(6, mib));
  await scan(() => told.some(({ path }) => path === 'longer'));
  expect(told.filter(({ path }) => path === 'large')).toEqual([]);
});

/** Tells by hand; what was told before arrives before the last, which is wanted. */
async function tellAll(ranges: readonly Partial<EarlyRange>[]): Promise<string[]> {
  const early = new EarlyRanges();
  const entry = base.manifest.directories.get('')?.entries.find(({ name }) => name === 'large');
  const range = {
    path: 'large',
    from: 'large',
    former: entry?.content ?? '',
    size: bytes + mib,
    ranges: [0, mib, mib],
  };
  await using _ = tellEarly([node], rootOf(), early, { held }, never);
  for (const one of ranges) {
    const before = told.length;
    early.tell({ ...range, ...one });
    if (one.path !== undefined) await expect.poll(() => told.length > before, { timeout: 20_000 }).toBe(true);
  }
  return told.map(({ path }) => path);
}

test('who has another version of it is told nothing', async () => {
  const other = 'x'.repeat(36);
  expect(await tellAll([{ former: other }, { former: other }, { path: 'last' }])).toEqual(['last']);
});

test('who has no use for it is told no more of that file', async () => {
  answer = ({ path }) => path !== 'a';
  expect(await tellAll([{ path: 'a' }, { path: 'b' }])).toEqual(['a', 'b']);
  const early = new EarlyRanges();
  await using _ = tellEarly([node], rootOf(), early, { held }, never);
  const entry = base.manifest.directories.get('')?.entries.find(({ name }) => name === 'large');
  const tell = (path: string): void =>
    early.tell({ path, from: 'large', former: entry?.content ?? '', size: bytes, ranges: [0, 0, mib] });
  told.length = 0;
  tell('a');
  await expect.poll(() => told.length, { timeout: 20_000 }).toBe(1);
  // Answered once the next one is told, which waits for it.
  tell('b');
  await expect.poll(() => told.length, { timeout: 20_000 }).toBe(2);
  tell('a');
  tell('c');
  await expect.poll(() => told.length, { timeout: 20_000 }).toBe(3);
  expect(told.map(({ path }) => path)).toEqual(['a', 'b', 'c']);
});

test('who cannot answer is told no more, and nothing fails', async () => {
  answer = () => {
    throw new Error('out of order');
  };
  writeFileSync(file, Buffer.concat([noise(2, mib), noise(1, bytes)]));
  await scan(() => told.length > 0);
  expect(told).toHaveLength(1);
});

test('no call is of more than 64 MiB, and of all that was told none is lost', () => {
  const ranges = [0, 5, 10 * mib, 20 * mib, 30 * mib, 100 * mib, 200 * mib, 210 * mib, 3];
  const calls: number[][] = [];
  while (ranges.length > 0) calls.push(takeSome(ranges));
  expect(calls).toEqual([
    [0, 5, 10 * mib, 20 * mib, 30 * mib, 54 * mib],
    [74 * mib, 84 * mib, 46 * mib, 200 * mib, 210 * mib, 3],
  ]);
  const many = Array.from({ length: 3 * 2000 }, () => 1);
  expect(takeSome(many)).toHaveLength(3 * 1024);
});
