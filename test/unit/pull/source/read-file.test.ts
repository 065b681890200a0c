import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readContext } from '../../../../protocol/pull/source/read-context.ts';
import { ListWriter, readFile } from '../../../../protocol/pull/source/read-file.ts';

const top = mkdtempSync(join(tmpdir(), 'read-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const mib = 1 << 20;

test('of a file that is written to meanwhile the rest is not read', () => {
  const path = join(top, 'file');
  writeFileSync(path, Buffer.alloc(64 * mib, 'abcdefg'));
  const plain = readContext({ cancel: new Int32Array(new SharedArrayBuffer(4)) }, () => undefined);
  let read = 0;
  const onBytes = (count: number): void => {
    read += count;
    appendFileSync(path, 'x');
  };
  expect(readFile(path, new ListWriter(), { ...plain, onBytes }).status).toBe('unstable');
  // Three attempts, and writes within one tick of a clock that ticks, which look like none.
  expect(read).toBeLessThan(96 * mib);
  expect(readFile(path, new ListWriter(), plain).status).toMatch(/settled|fresh/);
});
