import { array, assert, asyncProperty, integer, record } from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { chunkRecord, type Entry } from '../../protocol/chunk/entry.ts';
import type { Manifest } from '../../protocol/chunk/manifest.ts';
import { foresee } from '../../protocol/pull/source/foresee.ts';

const chunk = (at: number): string => chunkRecord(digestOf(`chunk ${at}`), 4096 + at);

function file(name: string, chunks: readonly number[]): Entry {
  const content = chunks.map(chunk).join('');
  return { kind: 'file', name, mode: 0o644, mtimeSec: 0, mtimeNsec: 0, size: 4096 * chunks.length, content };
}

function manifest(files: Readonly<Record<string, readonly number[]>>): Manifest {
  const entries = Object.keys(files)
    .sort()
    .map((name) => file(name, files[name] ?? []));
  const root: Entry = { ...file('', []), kind: 'dir', content: '', size: 0 };
  return { root, directories: new Map([['', { path: '', entries }]]) };
}

/** Each new chunk once, by the ordinal of its first place. */
function lacking(base: readonly number[], part: readonly number[]): number[] {
  const seen = new Set(base);
  return part.flatMap((one, at) => {
    if (seen.has(one)) return [];
    seen.add(one);
    return [at];
  });
}

const ordinalsOf = (ranges: readonly number[]): number[] =>
  ranges.flatMap((first, at) =>
    at % 2 === 0 ? Array.from({ length: ranges[at + 1] ?? 0 }, (_, index) => first + index) : [],
  );

test('what is foreseen is what is nowhere in the base, wherever its edits are', async () => {
  const edits = array(
    record({
      at: integer({ min: 0, max: 400 }),
      takes: integer({ min: 0, max: 30 }),
      gives: integer({ min: 0, max: 30 }),
    }),
    { maxLength: 6 },
  );
  await assert(
    asyncProperty(
      edits,
      integer({ min: 1, max: 500 }),
      integer({ min: 1, max: 500 }),
      async (some, different, moved) => {
        const before = Array.from({ length: 400 }, (_, at) => at % different);
        const after = [...before];
        let fresh = 1000;
        for (const { at, takes, gives } of some)
          after.splice(at, takes, ...Array.from({ length: gives }, () => (fresh += 1) % (1000 + moved)));
        const other = [3, 1400, 7];
        const base = manifest({ a: before, b: [1, 2] });
        const part = manifest({ a: after, b: other });
        const ranges = await foresee(base, part, new AbortController().signal);
        expect(ordinalsOf(ranges)).toEqual(lacking([...before, 1, 2], [...after, ...other]));
      },
    ),
  );
});
