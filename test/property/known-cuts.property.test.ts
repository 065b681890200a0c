/** A file that is read with its old chunk list in hand gets the same list as one that is read without. */
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readContext } from '../../protocol/pull/source/read-context.ts';
import { ListWriter, readFile } from '../../protocol/pull/source/read-file.ts';
import { noise } from '../helpers/noise.ts';

const top = mkdtempSync(join(tmpdir(), 'cuts-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const path = join(top, 'file');
const context = readContext({ cancel: new Int32Array(new SharedArrayBuffer(4)) }, () => undefined);

function listOf(known?: string): string {
  const lists = new ListWriter();
  const { status } = readFile(Buffer.from(path), lists, context, known);
  if (status !== 'settled' && status !== 'fresh') throw new Error(`read: ${status}`);
  return lists.bytes().toString('latin1');
}

type Edit =
  | { readonly kind: 'insert' | 'overwrite'; readonly at: number; readonly length: number; readonly seed: number }
  | { readonly kind: 'cut'; readonly at: number; readonly length: number }
  | { readonly kind: 'append'; readonly length: number; readonly seed: number }
  | { readonly kind: 'zero'; readonly at: number; readonly length: number };

function edited(bytes: Buffer, edit: Edit): Buffer {
  if (edit.kind === 'append') return Buffer.concat([bytes, noise(edit.seed + 1, edit.length)]);
  const at = Math.floor(edit.at * bytes.length);
  const after = Math.min(bytes.length, at + edit.length);
  if (edit.kind === 'cut') return Buffer.concat([bytes.subarray(0, at), bytes.subarray(after)]);
  const middle = edit.kind === 'zero' ? Buffer.alloc(edit.length) : noise(edit.seed + 1, edit.length);
  return Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(edit.kind === 'insert' ? at : after)]);
}

const length = fc.integer({ min: 1, max: 40_000 });
const at = fc.double({ min: 0, max: 1, noNaN: true });
const seed = fc.integer({ min: 0, max: 1000 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constantFrom('insert' as const, 'overwrite' as const), at, length, seed }),
  fc.record({ kind: fc.constant('cut' as const), at, length }),
  fc.record({ kind: fc.constant('append' as const), length, seed }),
  fc.record({ kind: fc.constant('zero' as const), at, length }),
);

test('known cuts change nothing', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(
      fc.constantFrom(9000, 100_000, 400_000, (4 << 20) - 20_000),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (size, edits, repeat) => {
        const base = repeat ? Buffer.concat(Array.from({ length: 5 }, () => noise(1, size / 5))) : noise(1, size);
        writeFileSync(path, base);
        const known = listOf();
        writeFileSync(path, edits.reduce(edited, base));
        expect(listOf(known) === listOf()).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test('nor in a file with holes', () => {
  writeFileSync(path, noise(2, 300_000));
  const dense = listOf();
  truncateSync(path, 100_000);
  truncateSync(path, 900_000);
  const fd = openSync(path, 'r+');
  writeSync(fd, noise(2, 100_000), 0, 100_000, 500_000);
  closeSync(fd);
  utimesSync(path, 1, 1);
  const holes = listOf();
  expect(listOf(dense) === holes).toBe(true);
  writeFileSync(path, noise(2, 300_000));
  expect(listOf(holes) === dense).toBe(true);
});
