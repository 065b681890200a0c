/**
 * A manifest survives its way as blocks, and no blocks, however mangled, make the decoder do anything but accept them or
 * throw a `TowError`.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { isSafeName } from '../../protocol/base/root-path.ts';
import { type Manifest, manifestDigest } from '../../protocol/chunk/manifest.ts';
import { decodeBlock } from '../../protocol/chunk/manifest-block.ts';
import { encodeManifest, ManifestDecoder } from '../../protocol/chunk/manifest-codec.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { arbitraryManifest } from '../helpers/arbitrary-manifest.ts';

function decode(blocks: readonly Buffer[]): Manifest {
  const decoder = new ManifestDecoder(limits);
  for (const block of blocks) decoder.push(block);
  return decoder.finish();
}

describe('a manifest', () => {
  it('is the same after encoding and decoding', () => {
    fc.assert(
      fc.property(arbitraryManifest, (manifest) => {
        const back = decode([...encodeManifest(manifest)]);
        expect(back.root).toEqual(manifest.root);
        expect([...back.directories.values()].toSorted(byPath)).toEqual(
          [...manifest.directories.values()].toSorted(byPath),
        );
        expect(manifestDigest(back)).toBe(manifestDigest(manifest));
      }),
      { numRuns: 300 },
    );
  });

  it('with flipped, cut or doubled bytes is refused with a TowError or is another sound manifest', () => {
    fc.assert(
      fc.property(
        arbitraryManifest,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(3),
        (manifest, flips, how) => {
          const [block = Buffer.alloc(0)] = encodeManifest(manifest);
          const mangled = Buffer.from(block);
          for (const [at, value] of flips) mangled[at % mangled.length] = value;
          const blocks =
            [[mangled], [mangled.subarray(0, mangled.length - how)], [mangled, mangled], [Buffer.alloc(how), mangled]][
              how
            ] ?? [];
          expectSoundOrRefused(() => decode(blocks));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('made of any bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expectSoundOrRefused(() => decode([Buffer.from(bytes)]));
        expectSoundOrRefused(() => void decodeBlock(Buffer.from(bytes), limits.manifestBlockBytes));
      }),
      { numRuns: 500 },
    );
  });
});

function expectSoundOrRefused(run: () => Manifest | void): void {
  let manifest: Manifest | void;
  try {
    manifest = run();
  } catch (error) {
    expect(error).toBeInstanceOf(TowError);
    expect(error).toHaveProperty('code', expect.stringMatching(/^(bad-message|limit-exceeded)$/));
    return;
  }
  for (const directory of manifest?.directories.values() ?? []) {
    expect(directory.entries.every(({ name }) => isSafeName(name))).toBe(true);
  }
}

function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : 1;
}
