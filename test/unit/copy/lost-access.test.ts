/**
 * An object that may not be read is a problem of its own; access that was taken away while a copy runs, or keys that the
 * service does not take any more, are one error that ends it, and what came is not asked for again.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchWidth } from '../../../agent/copy/fetcher.ts';
import { type ErrorCode, TowError } from '../../../protocol/base/errors.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { CopyBench } from '../../helpers/copy-bench.ts';
import { MemoryStore } from '../../helpers/memory-store.ts';

let bench: CopyBench;
let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
  bench = new CopyBench(store, '/dev/shm');
});
afterEach(() => bench[Symbol.dispose]());

const gets = (): string[] => store.calls.filter(({ method }) => method === 'get').map(({ key }) => key);
const fill = (count: number, name = ''): void => {
  for (let n = 0; n < count; n += 1) store.set(`${name}${n}`, `${name}${n}`);
};
const refuse = (code: ErrorCode, when: (key: string) => boolean): void => {
  store.before = ({ method, key }) => {
    if (method === 'get' && when(key)) throw new TowError(code, `${key}: refused`, { hint: 'log in' });
  };
};
const after = (count: number): (() => boolean) => {
  let left = count;
  return () => (left -= 1) < 0;
};

describe.each([
  ['access is taken away', 'store-forbidden'],
  ['the public is let in no more', 'credentials-missing'],
  ['the keys are refused', 'credentials-refused'],
  ['the keys end', 'credentials-expired'],
] as const)('%s', (_, code) => {
  test.each([
    [3, 1],
    [300, 150],
    [4000, 1000],
  ])('of %i objects after %i: one error, soon; the next run fetches the others alone', async (count, came) => {
    fill(count);
    refuse(code, after(came));
    expect(await codeOf(bench.run())).toBe(code);
    expect(gets().length).toBeLessThanOrEqual(came + 3 * fetchWidth);
    store.before = () => undefined;
    store.calls.splice(0);
    expect(await bench.run()).toMatchObject({ files: count, problems: [], conflicts: [] });
    expect(gets().length).toBe(count - came);
    expect(readFileSync(bench.at('0'), 'utf8')).toBe('0');
  });

  test('between two runs: one error, with its hint', async () => {
    fill(5);
    await bench.run();
    fill(5, 'new');
    refuse(code, () => true);
    await expect(bench.run()).rejects.toMatchObject({ code, hint: 'log in' });
    expect(readdirSync(bench.data).length).toBe(5);
  });
});

describe('objects that may not be read, while others may', () => {
  test.each([
    ['one', 1],
    ['more than are asked for at once', 3 * fetchWidth],
  ])('%s', async (_, count) => {
    fill(200);
    fill(count, 'closed');
    refuse('store-forbidden', (key) => key.startsWith('closed'));
    const { problems } = await bench.run();
    expect([problems.length, new Set(problems.map(({ code }) => code))]).toEqual([count, new Set(['store-forbidden'])]);
    expect(readdirSync(bench.data).length).toBe(200);
    // Each was asked for once, and now and then another to see whether access is there at all.
    expect(gets().length).toBeLessThan(200 + count + 10);
  });

  test('the only one that is new', async () => {
    fill(5);
    await bench.run();
    store.set('closed', 'x');
    refuse('store-forbidden', (key) => key === 'closed');
    expect((await bench.run()).problems.map(({ path, code }) => [path, code])).toEqual([['closed', 'store-forbidden']]);
  });

  test('one that came is replaced by one that may not be looked at', async () => {
    fill(5);
    store.before = ({ method, key }) => {
      if (key !== '3') return;
      if (method === 'head') throw new TowError('store-forbidden', 'refused');
      if (method === 'get') throw new TowError('object-changed', 'it was replaced');
    };
    expect((await bench.run()).problems.map(({ path, code }) => [path, code])).toEqual([['3', 'store-forbidden']]);
    expect(readdirSync(bench.data).length).toBe(4);
  });
});

test('where all may be looked at and none be read it is one error', async () => {
  fill(300);
  refuse('store-forbidden', () => true);
  expect(await codeOf(bench.run())).toBe('store-forbidden');
});
