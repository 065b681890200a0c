import { brotliCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { decodePackHeader, encodePackHeader, packMaxRuns, unpackBody } from '../../../protocol/chunk/pack.ts';
import { limits } from '../../../protocol/wire/limits.ts';
import { noise } from '../../helpers/noise.ts';

describe('a pack', () => {
  it('says what it holds and unpacks to it', () => {
    const raw = Buffer.from('some text '.repeat(1000));
    const runs = [
      { first: 0, count: 1 },
      { first: 7, count: 300 },
      { first: 2 ** 40, count: 2 },
    ];
    for (const codec of ['raw', 'brotli'] as const) {
      const body = codec === 'raw' ? raw : brotliCompressSync(raw);
      const pack = decodePackHeader(Buffer.concat([encodePackHeader(codec, raw.length, runs), body]), limits.packBytes);
      expect(pack.runs).toEqual(runs);
      expect(unpackBody(pack).equals(raw)).toBe(true);
    }
  });

  it('fits a frame at its fullest', () => {
    const runs = Array.from({ length: packMaxRuns }, (_, at) => ({ first: at * 2 ** 30, count: 1 }));
    expect(encodePackHeader('raw', 1 << 20, runs).length + (1 << 20)).toBeLessThanOrEqual(limits.dataFrameBytes);
  });

  it('that unpacks to more or less than it says is refused', () => {
    const body = brotliCompressSync(Buffer.alloc(1000));
    for (const length of [10, 999, 1001]) {
      const pack = decodePackHeader(Buffer.concat([encodePackHeader('brotli', length, []), body]), limits.packBytes);
      expect(() => unpackBody(pack)).toThrow(expect.objectContaining({ code: 'bad-message' }));
    }
    const short = Buffer.concat([encodePackHeader('raw', 5, []), Buffer.alloc(4)]);
    expect(() => decodePackHeader(short, limits.packBytes)).toThrow(expect.objectContaining({ code: 'bad-message' }));
  });

  it('that says more than allowed is refused', () => {
    const frame = encodePackHeader('brotli', limits.packBytes + 1, []);
    expect(() => decodePackHeader(frame, limits.packBytes)).toThrow(
      expect.objectContaining({ code: 'limit-exceeded' }),
    );
  });

  it('of any bytes is read or refused with a TowError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(1000), (bytes, seed) => {
        try {
          unpackBody(decodePackHeader(Buffer.concat([bytes, noise(seed, 40)]), limits.packBytes));
        } catch (error) {
          expect(error).toBeInstanceOf(TowError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
