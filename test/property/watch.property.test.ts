/** After any edits, a source that is watched comes to what a scan from nothing comes to. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { SourceBench } from '../helpers/source-bench.ts';
import { applyEdit, treeEdit } from '../helpers/tree-edits.ts';

const { signal } = new AbortController();
/** Or a look that nobody asked for. */
const edits = fc.array(fc.oneof({ weight: 3, arbitrary: treeEdit }, fc.constant('ahead' as const)), { maxLength: 6 });

it('a snapshot of a watched source is a scan', async () => {
  await using bench = await SourceBench.make();
  let run = 0;
  let watched = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edits, { minLength: 2, maxLength: 6 }), async (rounds) => {
      run += 1;
      rmSync(bench.root, { recursive: true, force: true });
      mkdirSync(bench.root);
      await using source = await bench.open({ indexFile: join(bench.top, `index${run}`) });
      for (const round of rounds) {
        // Watching begins anew when the last edits ended it, so that each round has one.
        await source.snapshot({ verify: false }, signal).catch(() => undefined);
        if (await source.watch()) watched += 1;
        for (const one of round) {
          if (one === 'ahead') await source.lookAhead();
          else applyEdit(bench.root, one);
        }
        const seen = await source.snapshot({ verify: false }, signal).catch(codeOf);
        await using fresh = await bench.open({ indexFile: join(bench.top, 'none', `${run}`) });
        const anew = await fresh.snapshot({ verify: true }, signal).catch(codeOf);
        expect(typeof seen === 'string' ? seen : seen.digest).toBe(typeof anew === 'string' ? anew : anew.digest);
        rmSync(join(bench.top, 'none'), { recursive: true, force: true });
      }
    }),
    { numRuns: Number(process.env['TOWLINE_WATCH_RUNS'] ?? 60) },
  );
  // Most edits leave the tree watchable; the test would prove nothing otherwise.
  expect(watched).toBeGreaterThan(run);
});

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
