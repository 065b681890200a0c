import { expect, test } from 'vitest';
import { CompressionBeside, CompressionChoice, type FirstLevel } from '../../../protocol/pull/source/compression.ts';

const mib = 1 << 20;

/** Sends packs of 1 MiB that take `msPerMib` of their quality; how many went at each. */
function send(first: FirstLevel | undefined, packs: number, msPerMib: (quality: number | undefined) => number) {
  let now = 0;
  const choice = new CompressionChoice(first, () => now);
  const counts = new Map<number | undefined, number>();
  for (let n = 0; n < packs; n += 1) {
    const { quality } = choice;
    now += msPerMib(quality);
    choice.sent(mib, quality, quality !== undefined);
    counts.set(quality, (counts.get(quality) ?? 0) + 1);
  }
  return counts;
}

/** ms a MiB at quality 5, 3, 1 and raw. */
const cost = (five: number, three: number, one: number, raw: number) => (quality: number | undefined) =>
  quality === 5 ? five : quality === 3 ? three : quality === 1 ? one : raw;
const counts = (...pairs: readonly (readonly [number | undefined, number])[]) => new Map(pairs);

test('a fast link gets raw packs after one trial of each of the two fast levels', () => {
  expect(send('near', 500, cost(20, 9, 6, 3))).toEqual(counts([1, 32], [undefined, 468]));
});

test('a slow link goes back to what makes least of the data', () => {
  expect(send('near', 500, cost(10, 15, 20, 80))).toEqual(counts([1, 32], [undefined, 32], [3, 32], [5, 404]));
});

test('a link that was taken for a far one climbs all the way', () => {
  expect(send('far', 500, cost(20, 9, 6, 3))).toEqual(counts([5, 32], [3, 32], [1, 32], [undefined, 404]));
});

test('a level is held when both neighbours are slower, and looked at again after 1 GiB', () => {
  expect(send('far', 96 + 1024 + 96, cost(20, 6, 8, 30))).toEqual(counts([5, 64], [3, 32 + 1024 + 32], [1, 64]));
});

test('what was made at another level is not counted', () => {
  let now = 0;
  const choice = new CompressionChoice('near', () => now);
  for (let n = 0; n < 32; n += 1) {
    now += 5;
    choice.sent(mib, 1, true);
  }
  expect(choice.quality).toBeUndefined();
  for (let n = 0; n < 100; n += 1) choice.sent(mib, 1, true);
  expect(choice.quality).toBeUndefined();
  for (let n = 0; n < 32; n += 1) {
    now += 50;
    choice.sent(mib, undefined, false);
  }
  expect(choice.quality).toBe(3);
});

test('what cannot be compressed says nothing of a level, whether it comes first or in between', () => {
  let now = 0;
  const choice = new CompressionChoice('far', () => now);
  const go = (packs: number, shrinks: boolean): Map<number | undefined, number> => {
    const went = new Map<number | undefined, number>();
    for (let n = 0; n < packs; n += 1) {
      const { quality } = choice;
      now += shrinks ? cost(10, 15, 20, 80)(quality) : 80;
      choice.sent(mib, quality, shrinks && quality !== undefined);
      went.set(quality, (went.get(quality) ?? 0) + 1);
    }
    return went;
  };
  expect(go(250, false)).toEqual(counts([5, 250]));
  for (let n = 0; n < 16; n += 1) {
    go(1, true);
    go(3, false);
  }
  expect(go(500, true)).toEqual(counts([5, 468], [3, 32]));
});

test('little is sent as it begins; a local node gets all of it raw', () => {
  expect(send('near', 31, cost(9, 9, 9, 1))).toEqual(counts([1, 31]));
  expect(send('far', 31, cost(9, 9, 9, 1))).toEqual(counts([5, 31]));
  expect(send(undefined, 500, cost(1, 1, 1, 9))).toEqual(counts([undefined, 500]));
});

/** The qualities at which batches are begun that find so many waiting for the link. */
function beside(waiting: readonly number[]): (number | undefined)[] {
  const choice = new CompressionBeside();
  return waiting.map((count) => {
    choice.begun(count);
    return choice.quality;
  });
}

test('beside what fills the link, least bytes are the soonest, until the link waits for long', () => {
  expect(new Set(beside(Array.from({ length: 200 }, (_, n) => (n % 5 === 0 ? 1 : 0))))).toEqual(new Set([5]));
  expect(beside(Array.from({ length: 60 }, () => 0)).at(-1)).toBe(undefined);
  expect(beside([...Array.from({ length: 12 }, () => 0), 2, 2]).slice(-3)).toEqual([3, 3, 5]);
  expect(beside([...Array.from({ length: 12 }, () => 0), 1, 1]).at(-1)).toBe(3);
});
