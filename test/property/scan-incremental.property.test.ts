/** After any edits, a scan that builds on the one before comes to what a scan from nothing comes to. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { noise } from '../helpers/noise.ts';
import { SourceBench } from '../helpers/source-bench.ts';

const { signal } = new AbortController();

const names = ['a', 'a-', 'a.b', 'b', 'c'];
const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const edit = fc.oneof(
  fc.record({ type: fc.constant('write'), path, seed: fc.nat(99), length: fc.nat(20_000) }),
  fc.record({
    type: fc.constantFrom('mkdir', 'remove', 'touch', 'chmod', 'cut', 'symlink'),
    path,
    seed: fc.nat(99),
    length: fc.nat(99),
  }),
  fc.record({ type: fc.constantFrom('rename', 'link'), path, to: path, seed: fc.nat(99), length: fc.nat(99) }),
);
type Edit = {
  readonly type: string;
  readonly path: string;
  readonly to?: string;
  readonly seed: number;
  readonly length: number;
};

/** Does what it can; an edit that the tree does not allow is none. */
function apply(root: string, { type, path: at, to, seed, length }: Edit): void {
  const full = join(root, at);
  const other = join(root, to ?? 'a');
  const isFile = existsSync(full) && lstatSync(full).isFile();
  try {
    if (type === 'write') {
      mkdirSync(join(full, '..'), { recursive: true });
      writeFileSync(full, noise(seed, length));
    } else if (type === 'mkdir') mkdirSync(full, { recursive: true });
    else if (type === 'remove') rmSync(full, { recursive: true, force: true });
    else if (type === 'touch') utimesSync(full, seed, seed + 0.25);
    else if (type === 'chmod') chmodSync(full, 0o700 + (seed % 64));
    else if (type === 'cut' && isFile) truncateSync(full, length);
    else if (type === 'symlink') symlinkSync(`../${seed}`, full);
    else if (type === 'rename') renameSync(full, other);
    else if (type === 'link') linkSync(full, other);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

it('a scan upon a scan is a scan', async () => {
  await using bench = await SourceBench.make();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(edit, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      async (rounds) => {
        run += 1;
        rmSync(bench.root, { recursive: true, force: true });
        mkdirSync(bench.root);
        const options = { indexFile: join(bench.top, `index${run}`) };
        const source = await bench.open(options);
        for (const edits of rounds) {
          for (const one of edits) apply(bench.root, one);
          const upon = await source.snapshot({ verify: false }, signal);
          await source.close();
          const reopened = await (await bench.open(options)).snapshot({ verify: false }, signal);
          const anew = await (await bench.open({ indexFile: join(bench.top, 'none', `${run}`) })).snapshot(
            { verify: true },
            signal,
          );
          expect(upon.manifest.directories.size).toBe(anew.manifest.directories.size);
          expect(upon.digest).toBe(anew.digest);
          expect(reopened.digest).toBe(anew.digest);
          rmSync(join(bench.top, 'none'), { recursive: true, force: true });
        }
      },
    ),
    { numRuns: 40 },
  );
});
