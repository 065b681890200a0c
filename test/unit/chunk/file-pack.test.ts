import { brotliCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { isSafeName } from '../../../protocol/base/root-path.ts';
import {
  decodeFilePack,
  encodeFilePackHeader,
  encodeObjectPack,
  type FilePack,
  maxObjectBytes,
  type PackedFile,
} from '../../../protocol/chunk/file-pack.ts';
import { unpackBody } from '../../../protocol/chunk/pack.ts';
import { limits } from '../../../protocol/wire/limits.ts';
import { noise } from '../../helpers/noise.ts';

const plain: PackedFile = { path: 'a/b', mode: 0o644, mtimeSec: 1, mtimeNsec: 2, offset: 0, rest: 0, lengths: [3, 4] };
const name = fc
  .string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), minLength: 1, maxLength: 9 })
  .filter(isSafeName);
const file: fc.Arbitrary<PackedFile> = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/')),
  mode: fc.nat(0o7777),
  mtimeSec: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  mtimeNsec: fc.nat(999_999_999),
  offset: fc.nat(2 ** 31 - 1),
  rest: fc.nat(2 ** 31 - 1),
  lengths: fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 5 }),
});

const total = (files: readonly PackedFile[]): number =>
  files.flatMap(({ lengths }) => lengths).reduce((a, b) => a + b, 0);
const refused = (frame: Buffer, code: string): void =>
  expect(() => decodeFilePack(frame, limits)).toThrow(expect.objectContaining({ code }));
const bodyOf = (frame: Buffer): FilePack => {
  const pack = decodeFilePack(frame, limits);
  if (pack.codec === 'git') throw new Error('a pack without a body');
  return pack;
};
const packed = (files: readonly PackedFile[], length = total(files)): Buffer =>
  Buffer.concat([encodeFilePackHeader('raw', length, files), Buffer.alloc(length)]);

describe('a file pack', () => {
  it('says what it holds and unpacks to it', () => {
    fc.assert(
      fc.property(
        fc.array(file, { maxLength: 20 }),
        fc.constantFrom('raw', 'brotli'),
        fc.nat(),
        (files, codec, seed) => {
          const raw = noise(seed, total(files));
          const body = codec === 'raw' ? raw : brotliCompressSync(raw);
          const pack = bodyOf(Buffer.concat([encodeFilePackHeader(codec, raw.length, files), body]));
          expect(pack.files).toEqual(files);
          expect(unpackBody(pack).equals(raw)).toBe(true);
        },
      ),
    );
  });

  it('with a path that leads out of the root, or to the root, is refused', () => {
    for (const path of ['', '..', 'a/../b', '/etc/passwd', 'a//b', 'a/.', 'a\0b', 'a/'])
      refused(packed([{ ...plain, path }]), 'bad-message');
    refused(packed([{ ...plain, path: `${'a/'.repeat(2100)}a` }]), 'bad-message');
  });

  it('with a mode, a time or a chunk that cannot be is refused', () => {
    refused(packed([{ ...plain, mode: 0o10000 }]), 'bad-message');
    refused(packed([{ ...plain, mtimeNsec: 1_000_000_000 }]), 'bad-message');
    refused(packed([{ ...plain, lengths: [0] }]), 'bad-message');
    refused(packed([{ ...plain, lengths: [(1 << 20) + 1] }]), 'bad-message');
    refused(packed([{ ...plain, offset: 2 ** 52, rest: 2 ** 52 + 2 ** 51 }]), 'bad-message');
  });

  it('whose files are more or less than it says is refused', () => {
    refused(packed([plain], 6), 'bad-message');
    refused(packed([plain], 8), 'bad-message');
    refused(encodeFilePackHeader('brotli', limits.packBytes + 1, []), 'limit-exceeded');
    refused(packed([plain]).subarray(0, 5), 'bad-message');
  });

  it('of any bytes is read or refused with a TowError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(1000), (bytes, seed) => {
        try {
          const pack = decodeFilePack(Buffer.concat([bytes, noise(seed, 40)]), limits);
          if (pack.codec !== 'git') unpackBody(pack);
        } catch (error) {
          expect(error).toBeInstanceOf(TowError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a pack of objects', () => {
  const pack = '.git/objects/pack/pack-1.pack';
  const object = { ...plain, object: 12 };

  it('says what it holds', () => {
    const objects = fc.record({ file, object: fc.nat() }).map((one) => ({
      ...one.file,
      offset: 0,
      rest: 0,
      object: one.object,
    }));
    fc.assert(
      fc.property(fc.array(objects, { maxLength: 20 }), (files) => {
        expect(decodeFilePack(encodeObjectPack({ pack, files }), limits)).toEqual({ codec: 'git', pack, files });
      }),
    );
  });

  it('that leads out of the root, or has bytes behind it, or pieces, or what is too long is refused', () => {
    refused(encodeObjectPack({ pack: '../pack', files: [object] }), 'bad-message');
    refused(encodeObjectPack({ pack, files: [{ ...object, path: 'a/../../b' }] }), 'bad-message');
    refused(Buffer.concat([encodeObjectPack({ pack, files: [object] }), Buffer.alloc(1)]), 'bad-message');
    refused(encodeObjectPack({ pack, files: [object] }).subarray(0, -1), 'bad-message');
    refused(encodeObjectPack({ pack, files: [{ ...object, offset: 1 }] }), 'bad-message');
    refused(encodeObjectPack({ pack, files: [{ ...object, rest: 1 }] }), 'bad-message');
    const lengths = Array.from({ length: maxObjectBytes / (1 << 20) }, () => 1 << 20);
    expect(decodeFilePack(encodeObjectPack({ pack, files: [{ ...object, lengths }] }), limits).files.length).toBe(1);
    refused(encodeObjectPack({ pack, files: [{ ...object, lengths: [...lengths, 1] }] }), 'bad-message');
  });
});
