/**
 * What a copy remembers on the disk is damaged: the user is told so with the run's result, whatever broke off in between,
 * nothing of the node's is lost, and the run after that has nothing to say.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { codeOf } from '../helpers/code-of.ts';
import { CopyBench } from '../helpers/copy-bench.ts';
import { DyingDisk } from '../helpers/dying-disk.ts';
import { MemoryStore } from '../helpers/memory-store.ts';

let bench: CopyBench;
beforeEach(() => {
  bench = new CopyBench(new MemoryStore(), '/dev/shm');
});
afterEach(() => bench[Symbol.dispose]());

const damages: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
  ['garbage', () => Buffer.from('this is no record of ours, and longer than the head of one would be')],
  ['a few bytes', () => Buffer.from('xyz')],
  ['cut short', (bytes) => bytes.subarray(0, bytes.length - 7)],
  ['cut in its head', (bytes) => bytes.subarray(0, 20)],
  ['zeros', (bytes) => Buffer.alloc(bytes.length)],
  ['a bit of its length', (bytes) => flipped(bytes, 0)],
  ['a bit of its digest', (bytes) => flipped(bytes, 9)],
  ['a bit of its text', (bytes) => flipped(bytes, bytes.length - 3)],
];

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

function damage(name: 'ledger' | 'journal', change: (bytes: Buffer) => Buffer): void {
  const path = `${bench.home}/state/${name}`;
  writeFileSync(path, change(readFileSync(path)));
}

const text = (path: string): string => readFileSync(bench.at(path), 'utf8');
const kept = (): string[] =>
  readdirSync(bench.conflicts)
    .map((id) => `${bench.conflicts}/${id}/data`)
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'));
/** Places all that there is, and is killed before the ledger says so. */
async function runToLedger(): Promise<void> {
  using disk = new DyingDisk((_call, _index, args) => !String(args[0]).endsWith('ledger.new'));
  await bench.run().catch((error: unknown) => {
    if (!disk.dead) throw error;
  });
}

async function expectQuiet(): Promise<void> {
  const { problems, conflicts, placed } = await bench.run();
  expect([problems, conflicts, placed]).toEqual([[], [], 0]);
  expect(readdirSync(`${bench.home}/state`)).toEqual(['ledger']);
}

describe.each(damages)('the ledger is damaged: %s', (_, change) => {
  test('it is said once, and what lies there is kept', async () => {
    const { store } = bench;
    store.set('same', 'same');
    store.set('parts', 'old', { parts: true });
    store.set('gone', 'was the bucket’s');
    await bench.run();
    damage('ledger', change);
    store.remove('gone');
    store.set('parts', 'new', { parts: true });
    const { problems } = await bench.run();
    expect(problems.map(({ path, code }) => [path, code])).toEqual([['', 'ledger-damaged']]);
    expect([text('same'), text('parts'), text('gone')]).toEqual(['same', 'new', 'was the bucket’s']);
    expect(kept()).toEqual(['old']);
    await expectQuiet();
  });
});

describe.each(damages)('the journal is damaged: %s', (_, change) => {
  test('it is said once, and what the killed run placed is kept or known', async () => {
    const { store } = bench;
    for (const key of ['a', 'b']) store.set(key, `old ${key}`, { parts: true });
    await runToLedger();
    damage('journal', change);
    for (const key of ['a', 'b']) store.set(key, `new ${key}`, { parts: true });
    const { problems } = await bench.run();
    expect(problems.map(({ path, code }) => [path, code])).toEqual([['', 'journal-damaged']]);
    expect([text('a'), text('b')]).toEqual(['new a', 'new b']);
    expect(kept().sort()).toEqual(['old a', 'old b']);
    await expectQuiet();
  });
});

test.each(['ledger', 'journal'] as const)('a damaged %s that a failed run met is said by the next', async (name) => {
  const { store } = bench;
  store.set('a', 'a', { parts: true });
  await bench.run();
  store.set('b', 'b', { parts: true });
  await runToLedger();
  damage(name, (bytes) => bytes.subarray(0, bytes.length - 1));
  store.set('c', 'c');
  store.before = ({ method }) => {
    if (method === 'get') throw new TowError('credentials-expired', 'ended');
  };
  expect(await codeOf(bench.run())).toBe('credentials-expired');
  store.before = () => undefined;
  expect((await bench.run()).problems.map(({ code }) => code)).toEqual([`${name}-damaged`]);
  await expectQuiet();
});

test('what is noted behind a record that makes no sense is known', async () => {
  const { store } = bench;
  store.set('a', 'a', { parts: true });
  await runToLedger();
  // The frame of an empty ledger: whole, and no record of a journal.
  const foreign = new CopyBench(new MemoryStore(), '/dev/shm');
  await foreign.run({ mayBeEmpty: true });
  const record = readFileSync(`${foreign.home}/state/ledger`);
  foreign[Symbol.dispose]();
  damage('journal', (bytes) => Buffer.concat([record, bytes]));
  const { problems, conflicts } = await bench.run();
  expect([problems.map(({ code }) => code), conflicts]).toEqual([['journal-damaged'], []]);
});
