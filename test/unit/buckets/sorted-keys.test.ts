/** Sets in order: whatever is added and removed, what is asked for is what a plain sorted array has. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { SortedKeys } from '../../../controller/buckets/local/sorted-keys.ts';
import { SortedRuns } from '../../../controller/buckets/local/sorted-runs.ts';
import { SpreadMap } from '../../../controller/buckets/local/spread-map.ts';
import { Turns } from '../../../protocol/base/turns.ts';
import { Random } from '../../helpers/random.ts';

const sorted = (set: SortedKeys): string[] => {
  const keys: string[] = [];
  for (let key = set.from(''); key !== undefined; key = set.from(`${key}\0`)) keys.push(key);
  return keys;
};

test('few keys, in any order', () => {
  const key = fc.string({ minLength: 1, maxLength: 2, unit: fc.constantFrom('a', 'b', '/', '\xff') });
  fc.assert(
    fc.property(fc.array(key), fc.array(fc.tuple(key, fc.boolean())), (first, changes) => {
      const want = new Set(first);
      const set = new SortedKeys([...want].sort());
      for (const [one, added] of changes) {
        if (added) [set, want].forEach((keys) => void keys.add(one));
        else [set, want].forEach((keys) => void keys.delete(one));
        expect(set.from(one)).toBe([...want].sort().find((other) => other >= one));
      }
      expect(sorted(set)).toEqual([...want].sort());
    }),
  );
});

test('tens of thousands, added and removed at random', async () => {
  const random = new Random(7);
  const some = (count: number): string[] => Array.from({ length: count }, () => `k${random.below(50_000)}`);
  const want = new Set(some(20_000));
  const runs = new SortedRuns();
  for (const key of want) runs.add(key);
  const set = new SortedKeys(await runs.merged(new Turns()));
  for (const key of some(30_000)) {
    set.add(key);
    want.add(key);
  }
  for (const key of some(60_000)) {
    set.delete(key);
    want.delete(key);
  }
  expect(sorted(set)).toEqual([...want].sort());
  for (const key of want) set.delete(key);
  expect(sorted(set)).toEqual([]);
  set.add('again');
  expect(sorted(set)).toEqual(['again']);
});

test('a spread map has what was put into it, evenly', () => {
  const map = new SpreadMap<number>();
  for (let n = 0; n < 10_000; n += 1) map.set(`img/${n}/annotations.json`, n);
  map.set('img/5/annotations.json', -5);
  map.delete('img/7/annotations.json');
  expect([map.size, map.get('img/5/annotations.json'), map.has('img/7/annotations.json')]).toEqual([9999, -5, false]);
  expect(
    [...map.entries()]
      .map(([, value]) => value)
      .toSorted((a, b) => a - b)
      .slice(0, 7),
  ).toEqual([-5, 0, 1, 2, 3, 4, 6]);
});
