/** After any edits while no daemon ran, a look that goes by what the last one knew comes to what a scan from nothing comes to. */
import { mkdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { SourceBench } from '../helpers/source-bench.ts';
import { applyEdit, treeEdit } from '../helpers/tree-edits.ts';

const { signal } = new AbortController();
const rules = treeEdit.filter(({ type }) => type === 'rules');
const edits = fc.array(fc.oneof({ weight: 5, arbitrary: treeEdit }, rules), { maxLength: 4 });
/** Whether what is there by then is looked at as a whole, at rest; and what is done before the source starts anew, and after it has. */
const round = fc.record({ edits, rests: fc.boolean(), more: fc.array(edits, { maxLength: 2 }) });

it('a recheck is a scan', async () => {
  await using bench = await SourceBench.make();
  const tasks = vi.spyOn(bench.pool, 'run');
  const asked = (task: string): number => tasks.mock.calls.filter(([name]) => name === task).length;
  let run = 0;
  let [untouched, listedSome] = [0, 0];
  const expectScanned = async (seen: Snapshot | string): Promise<void> => {
    await using fresh = await bench.open({ indexFile: join(bench.top, 'none', `${run}`) });
    const anew = await fresh.snapshot({ verify: true }, signal).catch(codeOf);
    expect(typeof seen === 'string' ? seen : seen.digest).toBe(typeof anew === 'string' ? anew : anew.digest);
    if (typeof seen !== 'string' && typeof anew !== 'string') expect(seen.problems).toEqual(anew.problems);
    rmSync(join(bench.top, 'none'), { recursive: true, force: true });
  };
  await fc.assert(
    fc.asyncProperty(edits, fc.array(round, { minLength: 1, maxLength: 5 }), async (first, rounds) => {
      run += 1;
      rmSync(bench.root, { recursive: true, force: true });
      mkdirSync(bench.root);
      const options = { indexFile: join(bench.top, `index${run}`) };
      let source = await bench.open(options);
      for (const one of first) applyEdit(bench.root, one);
      let looked = false;
      for (const { edits: some, rests, more } of rounds) {
        await source.snapshot({ verify: false }, signal).catch(() => undefined);
        if (rests) {
          utimesSync(bench.root, 1, 1);
          outlastClockGrain(bench.root);
          looked = await source.watch();
        }
        await source.close();
        for (const one of some) applyEdit(bench.root, one);
        source = await bench.open(options);
        tasks.mockClear();
        const seen = await source.snapshot({ verify: false }, signal).catch(codeOf);
        const [rechecks, walks] = [asked('recheck'), asked('walk')];
        if (rests && looked && some.length === 0) {
          expect([rechecks > 0, walks]).toEqual([true, 0]);
          untouched += 1;
        } else if (rechecks > 0 && walks > 0 && walks < 3) listedSome += 1;
        await expectScanned(seen);
        for (const others of more) {
          for (const one of others) applyEdit(bench.root, one);
          await expectScanned(await source.snapshot({ verify: false }, signal).catch(codeOf));
        }
      }
      await source.close();
    }),
    { numRuns: Number(process.env['TOWLINE_RECHECK_RUNS'] ?? 60) },
  );
  // Both ways were gone; the test would prove nothing otherwise.
  expect(untouched).toBeGreaterThan(2);
  expect(listedSome).toBeGreaterThan(2);
});

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
