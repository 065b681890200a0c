import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { copyRange } from '../../../protocol/libc/copy-range.ts';
import { noise } from '../../helpers/noise.ts';

const top = mkdtempSync(join(tmpdir(), 'copy-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

test('a range goes where it is meant to, and nothing else changes; an end that comes too soon is told', () => {
  const [from, to] = [join(top, 'from'), join(top, 'to')];
  const [bytes, old] = [noise(1, 3_000_000), noise(2, 2_000_000)];
  writeFileSync(from, bytes);
  writeFileSync(to, old);
  const [a, b] = [openSync(from, 'r'), openSync(to, 'r+')];
  try {
    expect(copyRange(a, 1_234_567, b, 321, 1_500_001)).toBe(true);
    const expected = Buffer.concat([
      old.subarray(0, 321),
      bytes.subarray(1_234_567, 2_734_568),
      old.subarray(321 + 1_500_001),
    ]);
    expect(readFileSync(to).equals(expected)).toBe(true);
    expect(copyRange(a, 2_999_000, b, 0, 2000)).toBe(false);
    expect(copyRange(a, 0, b, 0, 0)).toBe(true);
    expect(() => copyRange(a, 0, a, 0, 10)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  } finally {
    closeSync(a);
    closeSync(b);
  }
});
