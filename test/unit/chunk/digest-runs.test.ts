import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { digestOf } from '../../../protocol/chunk/digest.ts';
import { decodeDigestRuns, encodeDigestRuns } from '../../../protocol/chunk/digest-runs.ts';

const digests = (names: readonly number[]): Buffer =>
  Buffer.concat(names.map((name) => Buffer.from(digestOf(String(name)), 'latin1')));
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);

it('what comes out is what went in, whatever is known', async () => {
  const names = fc.array(fc.nat(12), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(names, names, async (wanted, known) => {
      const runs = await encodeDigestRuns(digests(wanted), digests(known));
      expect(decodeDigestRuns(runs, digests(known), wanted.length).equals(digests(wanted))).toBe(true);
    }),
  );
});

it('a file with one edit costs one digest and a few bytes, one that moved none', async () => {
  const known = digests(range(0, 10_000));
  const edited = await encodeDigestRuns(digests([...range(0, 5000), 99_999, ...range(5001, 10_000)]), known);
  expect([edited.fresh.length, edited.runs.length < 12]).toEqual([32, true]);
  const moved = await encodeDigestRuns(digests(range(2000, 7000)), known);
  expect([moved.fresh.length, moved.runs.length < 8]).toEqual([0, true]);
});

it('runs of a peer that go beyond what is there are refused', async () => {
  const known = digests(range(0, 100));
  const good = await encodeDigestRuns(digests([...range(20, 60), 500, ...range(3, 9)]), known);
  const refused = expect.objectContaining({ code: 'bad-message' });
  expect(() => decodeDigestRuns(good, known, 46)).toThrow(refused);
  expect(() => decodeDigestRuns(good, known, 48)).toThrow(refused);
  expect(() => decodeDigestRuns({ ...good, fresh: Buffer.alloc(0) }, known, 47)).toThrow(refused);
  expect(() => decodeDigestRuns({ ...good, fresh: Buffer.alloc(64) }, known, 47)).toThrow(refused);
  fc.assert(
    fc.property(fc.nat(good.runs.length - 1), fc.nat(255), (at, byte) => {
      const runs = Buffer.from(good.runs);
      runs[at] = byte;
      try {
        expect(decodeDigestRuns({ ...good, runs }, known, 47).length).toBe(47 * 32);
      } catch (error) {
        expect(error).toMatchObject({ code: 'bad-message' });
      }
    }),
  );
});
