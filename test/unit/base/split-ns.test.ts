import { assert, bigInt, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitNs, splitNsWords } from '../../../protocol/base/split-ns.ts';

describe('nanoseconds in two words', () => {
  it('are split as whole ones are', () => {
    assert(
      property(bigInt({ min: 0n, max: 2n ** 63n - 1n }), (ns) => {
        expect(splitNsWords(Number(ns >> 32n), Number(ns & 0xffff_ffffn))).toEqual(splitNs(ns));
      }),
      {
        examples: [0n, 999_999_999n, 1_000_000_000n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n].map((ns): [bigint] => [
          ns,
        ]),
      },
    );
  });
});
