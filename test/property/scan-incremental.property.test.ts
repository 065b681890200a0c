/** After any edits, a scan that builds on the one before comes to what a scan from nothing comes to. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { SourceBench } from '../helpers/source-bench.ts';
import { applyEdit, treeEdit } from '../helpers/tree-edits.ts';

const { signal } = new AbortController();

it('a scan upon a scan is a scan', async () => {
  await using bench = await SourceBench.make();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(treeEdit, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      async (rounds) => {
        run += 1;
        rmSync(bench.root, { recursive: true, force: true });
        mkdirSync(bench.root);
        const options = { indexFile: join(bench.top, `index${run}`) };
        const source = await bench.open(options);
        for (const edits of rounds) {
          for (const one of edits) applyEdit(bench.root, one);
          const upon = await source.snapshot({ verify: false }, signal);
          await source.close();
          const reopened = await (await bench.open(options)).snapshot({ verify: false }, signal);
          const fresh = await bench.open({ indexFile: join(bench.top, 'none', `${run}`) });
          const anew = await fresh.snapshot({ verify: true }, signal);
          // Its index is written by then, and not while its directory goes.
          await fresh.close();
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
