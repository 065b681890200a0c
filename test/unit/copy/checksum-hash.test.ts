import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checksumHash } from '../../../agent/copy/checksum-hash.ts';
import type { ChecksumAlgorithm } from '../../../protocol/store/checksum.ts';
import { crc32c } from '../../helpers/gcs/crc32c.ts';

async function sum(algorithm: ChecksumAlgorithm, ...pieces: readonly Uint8Array[]): Promise<string> {
  const hash = await checksumHash(algorithm);
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

/** "check" of the catalogue of parametrised CRC algorithms, and RFC 1321, 3174 and FIPS 180-2 for the others. */
test.each([
  ['crc32', '123456789', 'cbf43926'],
  ['crc32c', '123456789', 'e3069283'],
  ['crc64nvme', '123456789', 'ae8b14860a799888'],
  ['md5', 'abc', '900150983cd24fb0d6963f7d28e17f72'],
  ['sha1', 'abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  ['sha256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
] as const)('%s of %j is the published one, again and again', async (algorithm, text, hex) => {
  for (let time = 0; time < 3; time += 1) expect(await sum(algorithm, Buffer.from(text))).toBe(hex);
});

describe('sums that are taken at the same time', () => {
  test.each(['crc32', 'crc32c', 'crc64nvme', 'sha256'] as const)('%s', async (algorithm) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }), { minLength: 2, maxLength: 5 }),
        async (objects) => {
          const hashes = await Promise.all(objects.map(async () => await checksumHash(algorithm)));
          for (let piece = 0; piece < 5; piece += 1)
            for (const [at, pieces] of objects.entries()) hashes[at]?.update(pieces[piece] ?? Buffer.alloc(0));
          for (const [at, pieces] of objects.entries())
            expect(hashes[at]?.digest()).toBe(await sum(algorithm, Buffer.concat(pieces)));
        },
      ),
      { numRuns: 30 },
    );
  });
});

test('other programs work out the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      expect(Buffer.from(await sum('crc32c', bytes), 'hex').toString('base64')).toBe(crc32c(bytes));
      expect(await sum('sha1', bytes)).toBe(createHash('sha1').update(bytes).digest('hex'));
    }),
    { numRuns: 50 },
  );
});
